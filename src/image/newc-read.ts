/**
 * Reading newc archives: member by member, and judging whether an archive is whole. The kernel takes an initramfs made
 * of several archives, each ended by its TRAILER, with zero bytes between them, and of compressed ones among them
 * (Documentation/driver-api/early-userspace/buffer-format.rst); an uncompressed one that was cut short it takes without
 * a word, so that init is simply missing. Here that is told.
 */
import { createReadStream } from "node:fs";
import { ByteReader } from "./bytes.ts";
import { headerBytes, padding, trailerName } from "./newc.ts";

/** An archive that is not whole; `message` is a sentence's part that tells what and where. */
export class NewcDamage extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NewcDamage";
  }
}

/** One member's header. `mode` is the whole st_mode, the file type bits included; sizes and offsets in bytes. */
export interface Member {
  readonly name: string;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  /** Of a device node. */
  readonly major: number;
  readonly minor: number;
  /** Which file system the inode number belongs to, for hard links. */
  readonly device: string;
  /** Where the header starts. */
  readonly offset: number;
  /** The content; what is not taken is passed over. */
  readonly content: () => AsyncGenerator<Buffer>;
}

/** "070701", and "070702" which is the same with check sums. */
const magics = ["070701", "070702"];
/** PATH_MAX: a longer name means that the header is none. */
const nameMaximum = 4096;

/** True when a newc header starts with these bytes. */
export function isNewc(start: Uint8Array): boolean {
  return magics.includes(Buffer.from(start.subarray(0, 6)).toString("latin1"));
}

/**
 * The members of the archives that follow each other in `reader`, without their TRAILERs. Ends where something else
 * begins (a compressed archive), or at the end.
 * @throws NewcDamage
 */
export async function* readNewc(reader: ByteReader): AsyncGenerator<Member> {
  let open = false;
  for (;;) {
    if (!open) await reader.skipZeros();
    const offset = reader.position;
    const head = await reader.peek(headerBytes);
    if (head.length === 0 && !open) return;
    if (head.length === 0) throw new NewcDamage(`it ends at byte ${offset} without its ${trailerName}`);
    if (!isNewc(head)) {
      if (!open) return;
      throw new NewcDamage(`there is no member's header at byte ${offset}`);
    }
    const fields = fieldsOf(head, offset);
    await reader.skip(headerBytes);
    const nameBytes = await reader.read(fields.nameSize);
    await reader.skip(padding(headerBytes + fields.nameSize));
    if (nameBytes.length < fields.nameSize) throw new NewcDamage(`it ends within the name at byte ${offset}`);
    const name = nameBytes.toString("utf8").replace(/\0.*$/s, "");
    open = name !== trailerName;
    if (!open) continue;
    const end = reader.position + fields.size;
    yield { ...fields, name, offset, content: () => reader.take(end - reader.position) };
    await reader.skip(end - reader.position);
    if (reader.position < end) {
      throw new NewcDamage(`it ends ${end - reader.position} bytes before the end of its member ${name}`);
    }
    await reader.skip(padding(fields.size));
  }
}

function fieldsOf(head: Buffer, offset: number) {
  const text = head.subarray(6).toString("latin1");
  if (head.length < headerBytes) throw new NewcDamage(`it ends within the header at byte ${offset}`);
  if (!/^[0-9a-f]{104}$/i.test(text)) throw new NewcDamage(`the header at byte ${offset} is not hexadecimal`);
  const field = (index: number) => Number.parseInt(text.slice(index * 8, index * 8 + 8), 16);
  const nameSize = field(11);
  if (nameSize < 1 || nameSize > nameMaximum) {
    throw new NewcDamage(`the header at byte ${offset} speaks of a name of ${nameSize} bytes`);
  }
  return {
    inode: field(0),
    mode: field(1),
    links: field(4),
    size: field(6),
    device: `${field(7)}:${field(8)}`,
    major: field(9),
    minor: field(10),
    nameSize,
  };
}

/** What was found in an archive: how many members, the bytes that were newc, and the reason when it is not whole. */
export interface Inspection {
  readonly members: number;
  /** Bytes that belong to newc archives and the zeros around them; what follows is something else. */
  readonly bytes: number;
  /** Why it is not whole; undefined when it is. */
  readonly damage: string | undefined;
}

/** Walks an uncompressed archive, given as bytes or as a path. Throws only when the file can't be read. */
export async function inspectNewc(source: Uint8Array | string): Promise<Inspection> {
  const reader = new ByteReader(typeof source === "string" ? createReadStream(source) : once(source));
  try {
    return await inspectReader(reader);
  } finally {
    await reader.close();
  }
}

/** The same from a reader, which is left where the newc archives end. */
export async function inspectReader(reader: ByteReader): Promise<Inspection> {
  let members = 0;
  try {
    for await (const _ of readNewc(reader)) members++;
    return { members, bytes: reader.position, damage: undefined };
  } catch (error) {
    if (!(error instanceof NewcDamage)) throw error;
    return { members, bytes: reader.position, damage: error.message };
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
