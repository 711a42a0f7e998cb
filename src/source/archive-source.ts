/** A source that is an archive on disk, proved: what release, apt and local archives have in common. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Context } from "../context.ts";
import { exists, sha256OfFile, writeAtomically } from "../host/files.ts";
import type { Source, SourceName } from "./types.ts";
import { unpackArchive } from "./unpack.ts";

/** What is known of a proved archive. */
export interface Proved {
  readonly name: SourceName;
  readonly version: string;
  readonly form: string;
  readonly origin: string;
  readonly sha256: string;
  readonly verifiedBy: string;
}

/** A Source of a proved archive. */
export function archiveSource(proved: Proved, archive: string, context: Context): Source {
  const what = `${proved.name} ${proved.version}`;
  return {
    ...proved,
    unpack: (into, log) => unpackArchive({ archive, sha256: proved.sha256, what, into }, context, log),
  };
}

/** Where an archive of this hash is kept: by content, so that whatever brought it, it is fetched once. */
export function downloadPath(context: Context, sha256: string): string {
  return join(context.folders.cache, "downloads", sha256);
}

/**
 * The kept archive of this hash, hashed again; undefined when there is none. A damaged one counts as none and is removed,
 * to be fetched again.
 */
export async function keptArchive(context: Context, sha256: string): Promise<string | undefined> {
  const path = downloadPath(context, sha256);
  if (!(await exists(path))) return undefined;
  const actual = await sha256OfFile(path);
  if (actual === sha256) return path;
  context.logger.warning(`a kept download was damaged and is fetched again: ${path} now hashes to ${actual}`);
  await rm(path, { force: true });
  return undefined;
}

const memorySchema = v.object({
  /** Milliseconds since the epoch. */
  at: v.number(),
  version: v.string(),
  origin: v.string(),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  verifiedBy: v.string(),
});
/** What the package archive answered the last time. */
export type Remembered = v.InferOutput<typeof memorySchema>;

/** The last answer under `key`, or undefined; a damaged file counts as none. */
export async function recall(context: Context, key: string): Promise<Remembered | undefined> {
  try {
    return v.parse(memorySchema, JSON.parse(await readFile(memoryPath(context, key), "utf8")));
  } catch {
    return undefined;
  }
}

/** Keeps an answer under `key`. */
export async function remember(context: Context, key: string, answer: Remembered): Promise<void> {
  await writeAtomically(memoryPath(context, key), `${JSON.stringify(answer, null, 1)}\n`);
}

function memoryPath(context: Context, key: string): string {
  return join(context.folders.cache, "sources", `${key.replace(/[^\w.-]/g, "_")}.json`);
}

/** The folder of the downloads, made. */
export async function downloadsFolder(context: Context): Promise<string> {
  const folder = join(context.folders.cache, "downloads");
  await mkdir(folder, { recursive: true });
  return folder;
}
