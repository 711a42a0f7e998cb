/** The initramfs: a root file system packed for the kernel to unpack into memory. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { type Artifact, artifactOf, temporaryNameFor } from "../host/files.ts";
import { type Compression, compressionTable, writeCompressed } from "./compress.ts";
import { contentSize, type Entry, newcChunks } from "./newc.ts";

/**
 * Packs entries (`rootEntries`) as `initramfs.cpio[.gz|.zst|.xz|.lz4]` into a folder, whole or not at all. The same
 * entries give the same bytes, whatever the umask, the owners and the dates of the files behind them.
 * @throws Failure `bad-request` for entries that the format can't hold, `missing-program`, `disk-full`
 */
export async function packInitramfs(
  entries: readonly Entry[],
  compression: Compression,
  into: string,
  context: Context,
  log: StageLog,
): Promise<Artifact> {
  const path = join(into, `initramfs.cpio${compressionTable[compression].suffix}`);
  log.output(`${path}: ${entries.length} entries`);
  const temporary = temporaryNameFor(path);
  await writeCompressed(withProgress(entries, compression, log), compression, temporary, context);
  await rename(temporary, path);
  return artifactOf(path);
}

async function* withProgress(
  entries: readonly Entry[],
  compression: Compression,
  log: StageLog,
): AsyncGenerator<Uint8Array> {
  const total = entries.reduce(
    (sum, entry) => sum + (entry.type === "file" ? contentSize(entry.content) : 0),
    0,
  );
  let done = 0;
  for await (const chunk of newcChunks(entries)) {
    done += chunk.length;
    if (chunk.length > 100_000)
      log.progress({ done: Math.min(done, total), total, note: `packing (${compression})` });
    yield chunk;
  }
}
