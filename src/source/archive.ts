/**
 * Archives as byte streams: which compression (by magic bytes, a name proves nothing), and the tar inside. The
 * decompressors are the distribution's own programs: xz on two cores reads a kernel in 2-9 s, and they run beside Node.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { PassThrough, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Context } from "../context.ts";
import type { Exit } from "../host/process.ts";
import { Failure } from "../outcome.ts";

interface Compression {
  readonly name: string;
  /** Bytes at `offset` that tell it. */
  readonly magic: readonly number[];
  readonly offset: number;
  /** Program and arguments that decompress stdin to stdout; none for a plain tar. */
  readonly program: readonly [string, ...string[]] | undefined;
  /** Unpacked size of kernel source over packed size, roughly: for the free-space check before unpacking. */
  readonly ratio: number;
}

/** Magic bytes: file(1)'s tables; xz-file-format 2.1.1.1; RFC 1952; RFC 8878; POSIX ustar at 257. */
export const compressions: readonly Compression[] = [
  {
    name: "xz",
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
    offset: 0,
    program: ["xz", "-dc", "-T0"],
    ratio: 10,
  },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], offset: 0, program: ["bzip2", "-dc"], ratio: 6 },
  { name: "gzip", magic: [0x1f, 0x8b], offset: 0, program: ["gzip", "-dc"], ratio: 6 },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], offset: 0, program: ["zstd", "-dc", "-q"], ratio: 7 },
  { name: "tar", magic: [0x75, 0x73, 0x74, 0x61, 0x72], offset: 257, program: undefined, ratio: 1 },
];

/** The compression of a file that begins with `head` (at least 262 bytes where there are as many), or undefined. */
export function compressionOf(head: Uint8Array): Compression | undefined {
  return compressions.find(({ magic, offset }) =>
    magic.every((byte, index) => head[offset + index] === byte),
  );
}

/**
 * The compression of a file on disk.
 * @throws Failure `source-rejected` "not an archive", saying what it looks like instead
 */
export async function compressionOfFile(path: string, what: string): Promise<Compression> {
  const head = await headOf(path);
  const found = compressionOf(head);
  if (found) return found;
  throw new Failure("source-rejected", `${what} is not an archive: ${describe(head)}`, {
    detail: [`file: ${path}`, `known archives: .tar.xz, .tar.bz2, .tar.gz, .tar.zst, .tar`],
  });
}

/** The first 512 bytes of a file. */
export async function headOf(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** What bytes that are no archive look like, in words: for error messages. */
export function describe(head: Uint8Array): string {
  if (head.length === 0) return "it is empty";
  const text = Buffer.from(head).toString("latin1");
  if (/^\s*(<!doctype|<html|<\?xml)/i.test(text)) return "it is a web page (HTML)";
  if (!/[^\t\n\r\x20-\x7e]/.test(text)) return `it is text, beginning with “${text.slice(0, 40).trim()}”`;
  return "its first bytes belong to no known format";
}

export interface TarStream {
  /** The uncompressed tar. */
  readonly stream: Readable;
  /** Bytes of the compressed file that have been read so far. */
  readonly consumed: () => number;
  /** Settles once the file is read to its end and the decompressor is content; SHA-256 of the compressed bytes. */
  readonly finished: Promise<string>;
  /** Ends it early. */
  stop(): Promise<void>;
}

/**
 * Opens the tar inside an archive. The file is hashed on the way.
 * @throws Failure `source-rejected` (not an archive; damaged, through `finished`), `missing-program`
 */
export async function openTar(path: string, what: string, context: Context): Promise<TarStream> {
  const compression = await compressionOfFile(path, what);
  const hash = createHash("sha256");
  let consumed = 0;
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      consumed += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  if (compression.program === undefined) return plain(file, counted, hash, () => consumed);

  const [program, ...args] = compression.program;
  const running = context.run.start(program, args);
  let said = "";
  running.child.stderr.on("data", (data: Buffer) => {
    if (said.length < 4096) said += data.toString();
  });
  // EPIPE: the decompressor gave up or was stopped; its exit code is the judge.
  const fed = pipeline(file, counted, running.child.stdin).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  });
  const finished = Promise.all([fed, running.finished]).then(([, exit]) => {
    context.signal.throwIfAborted();
    if (exit.code !== 0) throw damaged(what, path, program, exit, said);
    return hash.digest("hex");
  });
  finished.catch(() => {});
  return {
    stream: running.child.stdout,
    consumed: () => consumed,
    finished,
    stop: () => running.stop(0),
  };
}

function plain(file: Readable, counted: Transform, hash: Hash, consumed: () => number): TarStream {
  const stream = new PassThrough();
  const finished = pipeline(file, counted, stream).then(() => hash.digest("hex"));
  finished.catch(() => {});
  const stop = async () => {
    file.destroy();
    stream.destroy();
  };
  return { stream, consumed, finished, stop };
}

function damaged(what: string, path: string, program: string, exit: Exit, said: string): Failure {
  return new Failure(
    "source-rejected",
    `${what} is damaged or cut short: ${program}: ${said.trim() || exit.signal}`,
    {
      detail: [`file: ${path}`],
    },
  );
}
