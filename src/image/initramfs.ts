/** The initramfs: a root file system packed for the kernel to unpack into memory. */
import { mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { type Artifact, artifactOf } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import { type Compression, chooseCompression, compressionTable, writeCompressed } from "./compress.ts";
import { defaultInit } from "./init.ts";
import { contentSize, type Entry, newcChunks } from "./newc.ts";
import { rootEntries } from "./root.ts";

export interface InitramfsRequest {
  /** BusyBox's install tree, absolute. */
  readonly busyboxInstall: string;
  /** The user's /init, a file; Bootgate's own when absent. */
  readonly init?: string | undefined;
  /** Folders and archives (tar or newc cpio, also compressed), in the order in which they are laid over the root. */
  readonly overlays: readonly string[];
  /** What the kernel can unpack, best first, when absent. */
  readonly compression?: Compression | undefined;
  /** The kernel's final .config, symbol to value; "y" is what counts. */
  readonly kernelConfig?: ReadonlyMap<string, string> | undefined;
}

/**
 * Packs the initramfs as `initramfs.cpio[.gz|.zst|.xz|.lz4]` into a folder. The same inputs give the same bytes,
 * whatever the umask, the owners and the dates of the files.
 * @throws Failure `bad-request` for an unusable init or overlay, `config-lost` for a compression that the kernel can't
 *   unpack, `missing-program`, `disk-full`
 */
export async function packInitramfs(
  request: InitramfsRequest,
  into: string,
  context: Context,
  log: StageLog,
): Promise<Artifact> {
  const compression = chooseCompression(request.compression, request.kernelConfig);
  const { program, suffix } = compressionTable[compression];
  if (program !== undefined && context.run.find(program) === undefined) {
    throw new Failure(
      "missing-program",
      `the program ${program} is not installed; compression ${compression} needs it`,
    );
  }
  const name = `initramfs.cpio${suffix}`;
  const scratch = await mkdtemp(join(into, ".initramfs-"));
  try {
    const init = request.init === undefined ? defaultInit : { path: request.init };
    const parts = { busyboxInstall: request.busyboxInstall, init, overlays: request.overlays };
    const entries = await rootEntries(parts, scratch, context);
    log.output(`${name}: ${entries.length} entries`);
    const packed = join(scratch, name);
    await writeCompressed(withProgress(entries, compression, log), compression, packed, context);
    const path = join(into, name);
    await rename(packed, path);
    return await artifactOf(path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
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
