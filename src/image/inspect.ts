/**
 * Judging an initramfs file without booting it. It refines a verdict: a kernel says nothing about an uncompressed
 * archive that was cut short, and only then is this asked.
 */
import { stat } from "node:fs/promises";
import type { Context } from "../context.ts";
import { ByteReader } from "./bytes.ts";
import { bytesAt, canDecompress, DecompressionError, formatOf, plainChunks } from "./decompress.ts";
import { inspectReader, isNewc } from "./newc-read.ts";

/**
 * Why an initramfs is damaged, as the end of a sentence; undefined when it looks whole, or when it can't be judged (an
 * unknown compression, a missing unpacker, an old-style ramdisk that is a file system).
 * @param parts `plain`: only what is not compressed; padding behind compressed data would be taken for damage
 */
export async function inspectInitramfs(
  path: string,
  context: Context,
  parts: "all" | "plain" = "all",
): Promise<string | undefined> {
  const { size } = await stat(path);
  if (size === 0) return "the file is empty";
  let offset = 0;
  // Early microcode comes first, uncompressed, and then the compressed archive: one after the other.
  while (offset < size) {
    const start = await bytesAt(path, offset, 6);
    const format = formatOf(start);
    if (format !== undefined && parts === "plain") return undefined;
    if (format?.name === "lz4 frame")
      return "it is an lz4 frame; the kernel reads lz4's legacy format alone (lz4 -l)";
    if (format !== undefined) return inspectCompressed(path, offset, format, context);
    if (offset === 0 && !isNewc(start) && start.some((byte) => byte !== 0)) return undefined;
    const reader = new ByteReader(plainChunks(path, context, offset));
    const found = await inspectReader(reader);
    await reader.close();
    if (found.damage !== undefined) return `the cpio archive is damaged: ${found.damage}`;
    if (found.bytes === 0)
      return `what follows the cpio archive at byte ${offset} is neither cpio nor compressed`;
    offset += found.bytes;
  }
  return undefined;
}

async function inspectCompressed(
  path: string,
  offset: number,
  format: NonNullable<ReturnType<typeof formatOf>>,
  context: Context,
): Promise<string | undefined> {
  if (!canDecompress(format, context)) return undefined;
  const reader = new ByteReader(plainChunks(path, context, offset));
  try {
    const found = await inspectReader(reader);
    // To the end: a check sum that does not fit comes last.
    const rest = await reader.skip(Number.POSITIVE_INFINITY);
    if (found.damage !== undefined)
      return `the cpio archive within the ${format.name} data is damaged: ${found.damage}`;
    if (found.members === 0 && rest > 0) return `the ${format.name} data hold no cpio archive`;
    return undefined;
  } catch (error) {
    if (error instanceof DecompressionError) return `the ${format.name} data are damaged: ${error.message}`;
    throw error;
  } finally {
    await reader.close();
  }
}
