/** Reading a folder of this computer as nodes of a root file system: an overlay. */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../outcome.ts";
import type { Entry, Node } from "./newc.ts";

/**
 * The mode in the image: as it is, but without write permission for group and others, since a checkout under umask 002
 * and one under 022 must give the same image. Private files (0600) stay private; a folder like /tmp (1777) keeps all.
 */
export function overlayMode(mode: number): number {
  return mode & 0o1000 ? mode : mode & ~0o022;
}

/**
 * Everything below a folder, links as links, in bytewise order.
 * @throws Failure `bad-request` for a socket or a name that is not UTF-8
 */
export async function* folderEntries(root: string, below = ""): AsyncGenerator<Entry> {
  const names = await readdir(join(root, below));
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const path = below === "" ? name : `${below}/${name}`;
    if (name.includes("\ufffd")) throw new Failure("bad-request", `the name ${path} in ${root} is not UTF-8`);
    const node = await nodeOf(join(root, path));
    if (node === undefined)
      throw new Failure("bad-request", `${join(root, path)} is a socket: it can't be packed`);
    yield { ...node, path };
    if (node.type === "folder") yield* folderEntries(root, path);
  }
}

async function nodeOf(path: string): Promise<Node | undefined> {
  const stat = await lstat(path);
  const mode = overlayMode(stat.mode & 0o7777);
  if (stat.isDirectory()) return { type: "folder", mode };
  if (stat.isFile()) return { type: "file", mode, content: { path, offset: 0, size: stat.size } };
  if (stat.isSymbolicLink()) return { type: "link", target: await readlink(path) };
  if (stat.isFIFO()) return { type: "fifo", mode };
  if (stat.isCharacterDevice()) return { type: "char", mode, ...deviceNumbers(stat.rdev) };
  if (stat.isBlockDevice()) return { type: "block", mode, ...deviceNumbers(stat.rdev) };
  return undefined;
}

/** Major and minor of a st_rdev as glibc packs it (makedev(3)), without the bits beyond 32. */
function deviceNumbers(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
