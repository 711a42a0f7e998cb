/**
 * The identity of a tree of files: one SHA-256 over every file's path, kind and content, in byte order of the paths. The
 * same for a work tree's list of files and for a copy of them, so that a copy proves that nothing changed meanwhile.
 *
 * Reading is synchronous, in slices of a few milliseconds: for 85,000 small files that costs a third of what promises do
 * (tried on linux 6.12, 86,629 files, 1.4 GB: 2 s of CPU against 6 s), and the event loop still runs in between.
 */
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToOthers } from "node:timers/promises";

const sliceMs = 20;

/** Every file and link below `root`, as paths relative to it; `.git` at the top is left out, and so are sockets and the like. */
export function listFiles(root: string): string[] {
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (path === ".git") continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() || entry.isSymbolicLink()) found.push(path);
    }
  };
  walk("");
  return found;
}

export interface Identity {
  /** Lower-case hex. */
  readonly sha256: string;
  /** The files that were there; listed ones that are gone, or are no files, are left out. */
  readonly files: readonly string[];
}

/**
 * Hashes the files named, relative to `root`. Counted: path, whether it is a link or executable, content or target. Not
 * counted: times, owners, other permissions, empty folders.
 * @throws as fs does when a file can't be read
 */
export async function identityOf(
  root: string,
  paths: readonly string[],
  options: { readonly signal?: AbortSignal; readonly onProgress?: (done: number) => void } = {},
): Promise<Identity> {
  const sorted = [...new Set(paths)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const buffer = Buffer.allocUnsafe(4 << 20);
  const whole = createHash("sha256");
  const files: string[] = [];
  let since = performance.now();
  for (const [index, path] of sorted.entries()) {
    const record = recordOf(join(root, path), buffer);
    if (record) {
      whole.update(`${path}\0${record}\n`);
      files.push(path);
    }
    if (performance.now() - since > sliceMs) {
      options.signal?.throwIfAborted();
      options.onProgress?.(index);
      await yieldToOthers();
      since = performance.now();
    }
  }
  return { sha256: whole.digest("hex"), files };
}

function recordOf(path: string, buffer: Buffer): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) return `l ${createHash("sha256").update(readlinkSync(path)).digest("hex")}`;
  if (!found?.isFile()) return undefined;
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  try {
    for (let count = 1; count > 0; ) {
      count = readSync(file, buffer, 0, buffer.length, null);
      hash.update(buffer.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
  return `${found.mode & 0o100 ? "x" : "f"} ${hash.digest("hex")}`;
}
