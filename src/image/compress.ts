/**
 * Compressing an initramfs: what the kernel must have to read it, which program writes it, and with which options the
 * bytes are the same on every computer. The programs do it and not Node's zlib, whose bytes differ from one processor to
 * another (its deflate has SIMD variants), and which has no zstd on Node 20.
 */
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Context } from "../context.ts";
import { asFailure, Failure } from "../outcome.ts";

export const compressions = ["none", "gzip", "zstd", "xz", "lz4"] as const;
export type Compression = (typeof compressions)[number];

export interface CompressionEntry {
  /** The Kconfig symbol with which the kernel can unpack it (usr/Kconfig); none for an archive as it is. */
  readonly symbol?: string;
  readonly program?: string;
  /** Reads stdin, writes stdout. */
  readonly args: readonly string[];
  readonly suffix: string;
}

export const compressionTable: Readonly<Record<Compression, CompressionEntry>> = {
  none: { args: [], suffix: "" },
  // --no-name: neither a name nor a time in the header.
  gzip: { symbol: "RD_GZIP", program: "gzip", args: ["--no-name", "-9", "--stdout"], suffix: ".gz" },
  // One thread: several may cut the input elsewhere.
  zstd: {
    symbol: "RD_ZSTD",
    program: "zstd",
    args: ["-19", "--single-thread", "--quiet", "--stdout"],
    suffix: ".zst",
  },
  // The kernel knows no CRC64, xz's default, and allocates the whole dictionary when it unpacks: 8 MiB hold BusyBox
  // with room to spare, where xz -9's 64 MiB would break a machine of 64 MB. (Documentation/staging/xz.rst)
  xz: {
    symbol: "RD_XZ",
    program: "xz",
    args: [
      "--format=xz",
      "--check=crc32",
      "--lzma2=preset=9e,dict=8MiB",
      "--threads=1",
      "--quiet",
      "--stdout",
    ],
    suffix: ".xz",
  },
  // -l: the legacy format, the only one that the kernel reads (lib/decompress_unlz4.c).
  lz4: { symbol: "RD_LZ4", program: "lz4", args: ["-l", "-9", "-q", "-c"], suffix: ".lz4" },
};

/**
 * Best first: as small as it gets without making the boot slower. A 2.3 MB BusyBox root under TCG (tried; kernel 6.12):
 * zstd 1.12 MB, unpacked in 0.26 s; gzip 1.24 MB, 0.31 s; xz 1.07 MB, 0.59 s; lz4 1.41 MB, 0.15 s; none 2.39 MB, 0.11 s.
 * xz gives 5 % for twice the time. lz4 comes last of them: a kernel that is given a truncated one crashes in
 * LZ4_decompress_safe instead of saying that the archive is damaged (tried).
 */
const preference: readonly Compression[] = ["zstd", "gzip", "xz", "lz4", "none"];

/** True when a kernel of that configuration can unpack it. Symbols may be given with or without `CONFIG_`. */
export function canUnpack(kernelConfig: ReadonlyMap<string, string>, compression: Compression): boolean {
  const { symbol } = compressionTable[compression];
  if (symbol === undefined) return true;
  return [symbol, `CONFIG_${symbol}`].some((name) => kernelConfig.get(name) === "y");
}

/** What the kernel has, best first. */
export function bestCompression(kernelConfig: ReadonlyMap<string, string>): Compression {
  return preference.find((compression) => canUnpack(kernelConfig, compression)) ?? "none";
}

/**
 * The compression to use: what was asked for, else the kernel's best, else (nothing known of the kernel) none.
 * @throws Failure `config-lost` when it was asked for and the kernel can't unpack it
 */
export function chooseCompression(
  asked: Compression | undefined,
  kernelConfig: ReadonlyMap<string, string> | undefined,
): Compression {
  if (asked === undefined) return kernelConfig === undefined ? "none" : bestCompression(kernelConfig);
  if (kernelConfig !== undefined && !canUnpack(kernelConfig, asked)) {
    const has = compressions.filter((compression) => canUnpack(kernelConfig, compression));
    throw new Failure(
      "config-lost",
      `compression ${asked} needs CONFIG_${compressionTable[asked].symbol}=y, which this kernel does not have`,
      { detail: [`this kernel can unpack: ${has.join(", ")}`] },
    );
  }
  return asked;
}

/**
 * Writes chunks to a new file at `path`, through the compression's program.
 * @throws Failure `missing-program`, `disk-full`, `host-failed`; the file is then gone
 */
export async function writeCompressed(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression,
  path: string,
  context: Context,
): Promise<void> {
  const { program, args } = compressionTable[compression];
  try {
    const target = createWriteStream(path, { flags: "wx" });
    if (program === undefined) await pipeline(Readable.from(chunks), target, { signal: context.signal });
    else await throughProgram(chunks, program, args, target, context);
  } catch (error) {
    await rm(path, { force: true });
    throw asFailure(error, `writing ${path}`);
  }
}

async function throughProgram(
  chunks: AsyncIterable<Uint8Array>,
  program: string,
  args: readonly string[],
  target: NodeJS.WritableStream,
  context: Context,
): Promise<void> {
  const running = context.run.start(program, args);
  let said = "";
  running.child.stderr.on("data", (data: Buffer) => {
    if (said.length < 10_000) said += data.toString();
  });
  const stop = <T>(error: T): never => {
    void running.stop(0);
    throw error;
  };
  // Whichever side fails first ends the program, and with it the other side.
  const [fed, written, ended] = await Promise.allSettled([
    pipeline(Readable.from(chunks), running.child.stdin).catch((error) => stop(error)),
    pipeline(running.child.stdout, target).catch((error) => stop(error)),
    running.finished,
  ]);
  context.signal.throwIfAborted();
  // A program that ends early breaks the feeding pipe (EPIPE): its own words come first then, unless writing failed.
  if (written.status === "rejected") throw written.reason;
  if (fed.status === "rejected" && fed.reason?.code !== "EPIPE") throw fed.reason;
  if (ended.status === "rejected") throw ended.reason;
  if (ended.value.code !== 0 || fed.status === "rejected") {
    const how = ended.value.signal ?? `exit code ${ended.value.code}`;
    throw new Failure("host-failed", `${program} ended with ${how}: ${said.trim() || "it said nothing"}`);
  }
}
