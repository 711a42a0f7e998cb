/**
 * Writing newc archives ("070701" cpio), the format of an initramfs, straight from a list of entries: no cpio program,
 * no root, and nothing of this computer in the bytes. Entries are sorted bytewise, owned by 0:0, dated `imageEpoch`,
 * numbered from 1, and carry the modes they were given, so the same entries give the same archive anywhere.
 *
 * The format: Documentation/driver-api/early-userspace/buffer-format.rst and cpio(5). What the kernel silently skips
 * (init/initramfs.c: names longer than PATH_MAX, link targets likewise) is refused here instead.
 */
import { open } from "node:fs/promises";
import { Failure } from "../outcome.ts";

/**
 * The date of everything in an image, seconds since 1970: 2025-01-01T00:00:00Z. FAT knows no year before 1980, and
 * programs that look at file dates (make, ls) are calmer with a plausible one than with 1970.
 */
export const imageEpoch = 1735689600;

/** The bytes of a file: themselves, or a stretch of a file on disk (`offset` and `size` in bytes). */
export type Content = Uint8Array | { readonly path: string; readonly offset: number; readonly size: number };

/** One node of a root file system. `mode` is the permission bits alone (0 to 07777). */
export type Node =
  | { readonly type: "folder"; readonly mode: number }
  | { readonly type: "file"; readonly mode: number; readonly content: Content }
  | { readonly type: "link"; readonly target: string }
  | { readonly type: "fifo"; readonly mode: number }
  | {
      readonly type: "char" | "block";
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

/** A node under its name: relative to the root, parts split by "/", no leading or trailing "/". */
export type Entry = Node & { readonly path: string };

/** The file type bits of st_mode (inode(7)). */
export const typeBits = {
  fifo: 0o010000,
  char: 0o020000,
  folder: 0o040000,
  block: 0o060000,
  file: 0o100000,
  link: 0o120000,
} as const satisfies Record<Node["type"], number>;

export const trailerName = "TRAILER!!!";
export const magic = "070701";
export const headerBytes = 110;

/** PATH_MAX of Linux, the ending NUL included. */
const pathMaximum = 4096;
/** Sizes are eight hex digits. */
const sizeMaximum = 0xffffffff;
const chunkBytes = 1 << 20;

/** How many zero bytes bring `position` to a multiple of 4. */
export function padding(position: number): number {
  return -position & 3;
}

/** The size of a file's content in bytes. */
export function contentSize(content: Content): number {
  return content instanceof Uint8Array ? content.length : content.size;
}

/**
 * The archive, chunk by chunk (no chunk above 1 MiB unless a Uint8Array was given), TRAILER included.
 * @throws Failure `bad-request` for what the format or the kernel can't hold: a name of 4096 bytes and more, a file of
 *   4 GiB and more, a name that is empty, absolute or given twice
 * @throws Failure `host-failed` when a file on disk is no longer as long as its entry says
 */
export async function* newcChunks(entries: readonly Entry[]): AsyncGenerator<Uint8Array> {
  const named = entries.map((entry) => ({ entry, name: Buffer.from(entry.path) }));
  named.sort((a, b) => Buffer.compare(a.name, b.name));
  let previous: Buffer | undefined;
  let inode = 1;
  for (const { entry, name } of named) {
    checkName(entry.path, name);
    if (previous?.equals(name)) throw new Failure("bad-request", `two entries are named ${entry.path}`);
    previous = name;
    const body = bodyOf(entry);
    const size = contentSize(body);
    if (size > sizeMaximum) {
      throw new Failure(
        "bad-request",
        `${entry.path} has ${size} bytes; a file in an initramfs has less than 4 GiB`,
      );
    }
    yield header(name, {
      inode: inode++,
      mode: typeBits[entry.type] | (entry.type === "link" ? 0o777 : entry.mode & 0o7777),
      // Two links make the kernel look for the other one: only folders, where it does not look, may say 2.
      links: entry.type === "folder" ? 2 : 1,
      size,
      major: "major" in entry ? entry.major : 0,
      minor: "minor" in entry ? entry.minor : 0,
    });
    yield* contentChunks(body);
    if (padding(size) > 0) yield Buffer.alloc(padding(size));
  }
  yield header(Buffer.from(trailerName), {
    inode: 0,
    mode: 0,
    links: 1,
    size: 0,
    major: 0,
    minor: 0,
    date: 0,
  });
}

/** The whole archive in memory; for small ones and tests. */
export async function newcBuffer(entries: readonly Entry[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of newcChunks(entries)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The bytes of a content in chunks; throws when a file on disk is shorter than said. */
export async function* contentChunks(content: Content): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    if (content.length > 0) yield content;
    return;
  }
  if (content.size === 0) return;
  const file = await open(content.path, "r");
  try {
    let left = content.size;
    while (left > 0) {
      const { bytesRead, buffer } = await file.read({
        buffer: Buffer.allocUnsafe(Math.min(left, chunkBytes)),
        position: content.offset + content.size - left,
      });
      if (bytesRead === 0) {
        throw new Failure("host-failed", `${content.path} became shorter while it was being packed`);
      }
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

const noBytes = new Uint8Array(0);

function bodyOf(entry: Entry): Content {
  if (entry.type === "file") return entry.content;
  if (entry.type !== "link") return noBytes;
  const target = Buffer.from(entry.target);
  if (target.length === 0 || target.length >= pathMaximum || target.includes(0)) {
    throw new Failure("bad-request", `the link ${entry.path} has a target that Linux can't hold`);
  }
  return target;
}

function checkName(path: string, name: Buffer): void {
  const parts = path.split("/");
  if (
    path === trailerName ||
    parts.some((part) => part === "" || part === "." || part === "..") ||
    name.includes(0)
  ) {
    throw new Failure("bad-request", `${JSON.stringify(path)} is no name for a file in an initramfs`);
  }
  if (name.length >= pathMaximum) {
    throw new Failure(
      "bad-request",
      `a name of ${name.length} bytes is too long for Linux: ${path.slice(0, 60)}…`,
    );
  }
}

interface Fields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly date?: number;
}

/** Header and name, padded to a multiple of 4. */
function header(name: Buffer, fields: Fields): Buffer {
  const numbers = [
    fields.inode,
    fields.mode,
    0, // owner
    0, // group
    fields.links,
    fields.date ?? imageEpoch,
    fields.size,
    0, // major and minor number of the device that the file lay on
    0,
    fields.major,
    fields.minor,
    name.length + 1,
    0, // check sum: unused in "070701"
  ];
  const head = magic + numbers.map((number) => number.toString(16).padStart(8, "0")).join("");
  const length = headerBytes + name.length + 1;
  const bytes = Buffer.alloc(length + padding(length));
  bytes.write(head, 0, "latin1");
  name.copy(bytes, headerBytes);
  return bytes;
}
