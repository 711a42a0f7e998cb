/** The image room's two stages, remembered by the store: the initramfs by its content, boot.img by what is put into it. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { sha256OfFile } from "../host/files.ts";
import { type Remembered, remember } from "../store/remember.ts";
import { type Compression, chooseCompression, compressionTable } from "./compress.ts";
import { type DiskRequest, diskPrograms, makeDisk, volume } from "./disk.ts";
import { defaultInit } from "./init.ts";
import { packInitramfs } from "./initramfs.ts";
import { newcChunks } from "./newc.ts";
import { type Busybox, rootEntries } from "./root.ts";
import { toolVersions } from "./tools.ts";

export interface InitramfsStage {
  readonly busybox: Busybox;
  /** The user's /init; Bootgate's own when undefined. */
  readonly init: string | undefined;
  readonly overlays: readonly string[];
  readonly compression: Compression | undefined;
  readonly kernelConfig: ReadonlyMap<string, string>;
}

/** The initramfs; its key is the hash of the very archive, so that whatever is laid over the root decides. */
export async function buildInitramfs(request: InitramfsStage, context: Context): Promise<Remembered<null>> {
  const compression = chooseCompression(request.compression, request.kernelConfig);
  const { program } = compressionTable[compression];
  const scratch = await mkdtemp(join(context.folders.temporary, "root-"));
  try {
    const parts = {
      busybox: request.busybox,
      init: request.init === undefined ? defaultInit : { path: request.init },
      overlays: request.overlays,
    };
    const entries = await rootEntries(parts, scratch, context);
    const hash = createHash("sha256");
    for await (const chunk of newcChunks(entries)) hash.update(chunk);
    const ingredients = {
      archive: hash.digest("hex"),
      compression,
      tools: await toolVersions(program === undefined ? [] : [program], context),
    };
    return await remember(context, "initramfs", ingredients, async (folder, log) => {
      await packInitramfs(entries, compression, folder, context, log);
      return { value: null };
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** boot.img. */
export async function buildDisk(request: DiskRequest, context: Context): Promise<Remembered<null>> {
  const { kernelImage, initramfs, append, imageSize, loaders } = request;
  const ingredients = {
    kernel: await sha256OfFile(kernelImage),
    initramfs: await sha256OfFile(initramfs),
    append,
    imageSize,
    syslinux: loaders.syslinux,
    efi: loaders.efi && [loaders.efi.bootFile, await sha256OfFile(loaders.efi.systemdBoot)],
    volume,
    tools: await toolVersions(diskPrograms, context),
  };
  return remember(context, "disk", ingredients, async (folder, log) => {
    await makeDisk(request, folder, context, log);
    return { value: null };
  });
}
