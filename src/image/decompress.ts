/**
 * Unpacking what came from elsewhere: overlay archives, and an initramfs under inspection. The kind is told by the
 * first bytes, never by the name.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Context } from "../context.ts";

/** Compressed bytes that can't be unpacked; `message` is what the unpacker said. */
export class DecompressionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DecompressionError";
  }
}

interface Format {
  readonly name: string;
  readonly magic: readonly number[];
  /** Reads stdin, writes stdout; without one zlib does it. */
  readonly program?: readonly [string, ...string[]];
}

/** The formats of lib/decompress.c that someone still uses, by their first bytes. */
const formats: readonly Format[] = [
  { name: "gzip", magic: [0x1f, 0x8b] },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], program: ["xz", "-dc"] },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], program: ["zstd", "-dcq"] },
  { name: "lz4", magic: [0x02, 0x21, 0x4c, 0x18], program: ["lz4", "-dcq"] },
  { name: "lz4 frame", magic: [0x04, 0x22, 0x4d, 0x18], program: ["lz4", "-dcq"] },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], program: ["bzip2", "-dc"] },
  { name: "lzma", magic: [0x5d, 0x00, 0x00], program: ["xz", "-dc", "--format=lzma"] },
];

/** How a file is compressed, from its first bytes; undefined when it is not, or in a way that nobody here knows. */
export function formatOf(start: Uint8Array): Format | undefined {
  return formats.find(({ magic }) => magic.every((byte, index) => start[index] === byte));
}

/** Up to `count` bytes of a file from `offset` on. */
export async function bytesAt(path: string, offset: number, count: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(count), position: offset });
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** True when what unpacks that format is here. */
export function canDecompress(format: Format, context: Context): boolean {
  return format.program === undefined || context.run.find(format.program[0]) !== undefined;
}

/**
 * The plain bytes of a file from `offset` on; a file that is not compressed comes as it is.
 * @throws DecompressionError when it is damaged; Failure `missing-program`
 */
export async function* plainChunks(path: string, context: Context, offset = 0): AsyncGenerator<Buffer> {
  const format = formatOf(await bytesAt(path, offset, 6));
  const source = createReadStream(path, { start: offset, highWaterMark: 1 << 18 });
  if (format === undefined) {
    yield* source;
    return;
  }
  if (format.program === undefined) {
    const gunzip = createGunzip();
    const fed = pipeline(source, gunzip);
    fed.catch(() => {});
    try {
      yield* gunzip;
    } catch (error) {
      throw new DecompressionError((error as Error).message);
    } finally {
      source.destroy();
      gunzip.destroy();
    }
    return;
  }
  const [program, ...args] = format.program;
  const running = context.run.start(program, args);
  let said = "";
  running.child.stderr.on("data", (data: Buffer) => {
    if (said.length < 2000) said += data.toString();
  });
  const fed = pipeline(source, running.child.stdin);
  fed.catch(() => {}); // the program's own end says what was wrong
  try {
    yield* running.child.stdout;
    const exit = await running.finished;
    context.signal.throwIfAborted();
    if (exit.code !== 0) {
      const line = said.trim().split("\n").at(-1) || `exit code ${exit.code ?? exit.signal}`;
      throw new DecompressionError(
        line.replace(/^\S+: (\(stdin\)|\/\*stdin\*\\|stdin)\s*: /, `${program}: `),
      );
    }
  } finally {
    source.destroy();
    await running.stop(0);
  }
}
