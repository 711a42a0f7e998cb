/** Files on this computer: hashing, and writing so that nothing half-made ever stands under a final name. */
import { createHash, randomBytes } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, copyFile, mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Failure } from "../outcome.ts";

/** A file that a stage made: its name in `out/`, where it lies now, its SHA-256 (lower-case hex) and size in bytes. */
export interface Artifact {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

/** SHA-256 of a file as lower-case hex. Throws as fs does when it can't be read. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** SHA-256 of a string or bytes as lower-case hex. */
export function sha256Of(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Describes an existing file as an artifact. */
export async function artifactOf(path: string, name = basename(path)): Promise<Artifact> {
  const [sha256, { size }] = await Promise.all([sha256OfFile(path), stat(path)]);
  return { name, path, sha256, size };
}

/** A sibling name of `path` that no other process uses. */
export function temporaryNameFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString("hex")}`);
}

/** Writes a file whole or not at all: temporary sibling, fsync, rename. Makes the folder. */
export async function writeAtomically(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryNameFor(path);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Copies a file under a new name, whole or not at all; shares the blocks where the file system can. */
export async function copyAtomically(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = temporaryNameFor(to);
  try {
    await copyFile(from, temporary, constants.COPYFILE_FICLONE);
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Makes a folder and those above it, and proves that it can be written to. Not by mkdir's own recursion: below /proc
 * that never ends (Node 20 to 24).
 * @param failureClass the class of the Failure when it can't be: whose fault the place is
 * @param remedy what to do about it
 */
export async function makeFolder(
  folder: string,
  failureClass: "bad-request" | "host-failed",
  remedy: string,
): Promise<void> {
  try {
    const missing: string[] = [];
    for (let path = folder; !(await exists(path)); path = dirname(path)) missing.unshift(path);
    for (const path of missing) {
      await mkdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
    }
    if (!(await stat(folder)).isDirectory()) {
      throw new Failure(failureClass, `${folder} is a file, not a folder: ${remedy}`);
    }
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof Failure || (error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Failure(failureClass, `${folder} can't be written to (${code}): ${remedy}`, { cause: error });
  }
}

/** True when something of that name exists (links are followed). */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** How much room the file system of a folder has, in words for a message. The folder itself need not exist yet. */
export async function freeSpace(folder: string): Promise<string> {
  const found = await statfs(folder).catch(() => undefined);
  if (found !== undefined) return `${folder}: ${Math.floor((found.bavail * found.bsize) / 1e6)} MB are free`;
  return dirname(folder) === folder ? `${folder}: unknown` : freeSpace(dirname(folder));
}
