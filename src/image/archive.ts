/**
 * Reading an archive (tar or newc cpio, also compressed) as nodes of a root file system. Nothing is unpacked to names
 * that the archive chose: contents go into one spool file, names stay values. Names that lead out are refused all the
 * same, since an archive that holds them was not made for this.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { Parser, type ReadEntry } from "tar";
import type { Context } from "../context.ts";
import { Failure } from "../outcome.ts";
import { ByteReader } from "./bytes.ts";
import { DecompressionError, plainChunks } from "./decompress.ts";
import { type Content, type Entry, type Node, typeBits } from "./newc.ts";
import { isNewc, NewcDamage, readNewc } from "./newc-read.ts";

/** An initramfs lives in memory: contents beyond this are a mistake, or an archive made to fill the disk. Bytes. */
export const contentMaximum = 2 ** 31;

/** Hard links to a file of the archive, or of what lies below it in the root, are told apart from nodes. */
export type ArchiveEntry =
  | Entry
  | { readonly path: string; readonly type: "hard link"; readonly target: string };

/**
 * The members of an archive, in its order.
 * @param spool where the contents are kept; a new file, to be removed by the caller when the image is made
 * @throws Failure `bad-request` naming archive and member: hostile names, damage, an unknown format, too large
 */
export async function readArchive(
  path: string,
  spool: string,
  context: Context,
): Promise<readonly ArchiveEntry[]> {
  const reader = new ByteReader(plainChunks(path, context));
  const keep = new Spool(spool, path);
  try {
    const start = await reader.peek(512);
    const read = isNewc(start) ? cpioEntries : isTar(start) ? tarEntries : undefined;
    if (read === undefined) {
      const hint = /^07070[0-9]|^\xc7\x71|^\x71\xc7/.test(start.subarray(0, 6).toString("latin1"));
      throw refusal(
        path,
        hint
          ? "is a cpio archive, but not of the newc format (cpio -H newc)"
          : "is no archive: neither tar nor cpio",
      );
    }
    return await read(reader, path, keep);
  } catch (error) {
    if (error instanceof NewcDamage || error instanceof DecompressionError) {
      throw refusal(path, `is damaged: ${error.message}`);
    }
    throw error;
  } finally {
    keep.close();
    await reader.close();
  }
}

function refusal(archive: string, what: string): Failure {
  return new Failure("bad-request", `overlay ${archive} ${what}`);
}

/**
 * A member's name without "./" and a trailing "/"; "" for the root itself.
 * @throws Failure `bad-request` for an absolute one and for one with ".."
 */
export function memberName(name: string, archive: string): string {
  const parts = name.split("/");
  if (name.startsWith("/")) throw refusal(archive, `holds an absolute name: ${JSON.stringify(name)}`);
  if (parts.includes(".."))
    throw refusal(archive, `holds a name that leads out of it: ${JSON.stringify(name)}`);
  if (name.includes("\ufffd"))
    throw refusal(archive, `holds a name that is not UTF-8: ${JSON.stringify(name)}`);
  return parts.filter((part) => part !== "" && part !== ".").join("/");
}

/** Contents, one after the other in one file. Written synchronously: the tar parser gives events, not a stream to wait for. */
class Spool {
  readonly #path: string;
  readonly #archive: string;
  readonly #file: number;
  #size = 0;

  constructor(path: string, archive: string) {
    this.#path = path;
    this.#archive = archive;
    this.#file = openSync(path, "wx");
  }

  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): void {
    if (this.#size + bytes.length > contentMaximum) {
      throw refusal(this.#archive, `holds more than ${contentMaximum / 2 ** 20} MiB`);
    }
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    this.#size += bytes.length;
  }

  /** What was written since `offset`. */
  since(offset: number): Content {
    return { path: this.#path, offset, size: this.#size - offset };
  }

  close(): void {
    closeSync(this.#file);
  }
}

async function cpioEntries(
  reader: ByteReader,
  archive: string,
  spool: Spool,
): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  // Of hard-linked files only the last carries the content (cpio(5)); the names before it wait for it.
  const linked = new Map<string, { content: Content; names: string[] }>();
  for await (const member of readNewc(reader)) {
    const path = memberName(member.name, archive);
    if (path === "") continue;
    const mode = member.mode & 0o7777;
    const bits = member.mode & 0o170000;
    if (bits === typeBits.file) {
      const offset = spool.size;
      for await (const bytes of member.content()) spool.write(bytes);
      const content = spool.since(offset);
      if (member.links < 2) {
        entries.push({ path, type: "file", mode, content });
        continue;
      }
      const key = `${member.device}:${member.inode}`;
      const group = linked.get(key) ?? { content, names: [] };
      if (member.size > 0) group.content = content;
      linked.set(key, group);
      group.names.push(path);
      const position = entries.length;
      // A getter, since the content may come with a later name.
      entries[position] = {
        path,
        type: "file",
        mode,
        get content() {
          return group.content;
        },
      };
      continue;
    }
    if (bits === typeBits.link) {
      const chunks: Buffer[] = [];
      for await (const bytes of member.content()) chunks.push(bytes);
      entries.push({ path, type: "link", target: Buffer.concat(chunks).toString("utf8") });
      continue;
    }
    const node = plainNode(bits, mode, member);
    if (node === undefined) throw refusal(archive, `holds a member of an unknown kind: ${path}`);
    entries.push({ ...node, path });
  }
  return entries;
}

function plainNode(bits: number, mode: number, device: { major: number; minor: number }): Node | undefined {
  const { major, minor } = device;
  switch (bits) {
    case typeBits.folder:
      return { type: "folder", mode };
    case typeBits.fifo:
      return { type: "fifo", mode };
    case typeBits.char:
      return { type: "char", mode, major, minor };
    case typeBits.block:
      return { type: "block", mode, major, minor };
    default:
      return undefined;
  }
}

/** The tar member types without content or link target, and what they are. */
const tarTypes: Readonly<Record<string, number>> = {
  Directory: typeBits.folder,
  GNUDumpDir: typeBits.folder,
  FIFO: typeBits.fifo,
  CharacterDevice: typeBits.char,
  BlockDevice: typeBits.block,
};

async function tarEntries(
  reader: ByteReader,
  archive: string,
  spool: Spool,
): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  let failure: unknown;
  const guarded = (work: () => void) => {
    try {
      if (failure === undefined) work();
    } catch (error) {
      failure = error;
    }
  };
  const onMember = (member: ReadEntry) => {
    guarded(() => {
      const path = memberName(member.path, archive);
      if (path === "" && member.type !== "Directory") throw refusal(archive, "holds a member without a name");
      const mode = (member.mode ?? 0o644) & 0o7777;
      const file = ["File", "OldFile", "ContiguousFile"].includes(member.type);
      if (file) {
        const offset = spool.size;
        member.on("data", (bytes: Buffer) => guarded(() => spool.write(bytes)));
        member.on("end", () =>
          guarded(() => entries.push({ path, type: "file", mode, content: spool.since(offset) })),
        );
        return;
      }
      if (path === "") return;
      if (member.type === "SymbolicLink") entries.push({ path, type: "link", target: member.linkpath ?? "" });
      else if (member.type === "Link") {
        entries.push({ path, type: "hard link", target: memberName(member.linkpath ?? "", archive) });
      } else {
        const bits = tarTypes[member.type];
        const { devmaj = 0, devmin = 0 } = member.header;
        const node = bits === undefined ? undefined : plainNode(bits, mode, { major: devmaj, minor: devmin });
        if (node === undefined)
          throw refusal(archive, `holds a member that can't be packed (${member.type}): ${path}`);
        entries.push({ ...node, path });
      }
    });
    member.resume();
  };
  const parser = new Parser({
    strict: true,
    onReadEntry: onMember,
    // Kinds that the parser passes over (sparse files, continuations) would be missing without a word.
    filter: () => true,
  });
  const ended = new Promise<void>((resolve) => {
    parser.on("end", resolve);
    parser.on("error", (error: unknown) => {
      failure ??= refusal(archive, `is damaged: ${error instanceof Error ? error.message : String(error)}`);
      resolve();
    });
  });
  parser.on("ignoredEntry", (member: ReadEntry) => {
    guarded(() => {
      throw refusal(archive, `holds a member that can't be packed (${member.type}): ${member.path}`);
    });
  });
  for await (const chunk of reader.rest()) {
    if (failure !== undefined) break;
    parser.write(chunk);
  }
  if (failure === undefined) {
    parser.end();
    await ended;
  }
  if (failure !== undefined) throw failure;
  return entries;
}

/** True when a tar header with a fitting check sum starts here; it is there in every dialect, "ustar" is not. */
function isTar(start: Buffer): boolean {
  if (start.length < 512) return false;
  const said = Number.parseInt(start.toString("latin1", 148, 156).replace(/\0/g, " ").trim(), 8);
  let sum = 8 * 0x20;
  for (let index = 0; index < 512; index++) if (index < 148 || index >= 156) sum += start[index]!;
  return said === sum;
}
