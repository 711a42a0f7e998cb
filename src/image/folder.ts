/** Reading a folder of this computer as nodes of a root file system: BusyBox's install tree, an overlay. */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../outcome.ts";
import type { Entry, Node } from "./newc.ts";

/**
 * How modes are taken. `program`: 0755 for folders and for what can be executed, 0644 for the rest, set-user-id kept
 * (an install tree, whose other bits are the umask's). `mine`: as they are, but without write permission for group and
 * others, since a umask of 002 and one of 022 must give the same image; private files (0600) stay private.
 */
export type Modes = "program" | "mine";

const modeRules: Readonly<Record<Modes, (mode: number, folder: boolean) => number>> = {
  program: (mode, folder) => (folder || mode & 0o111 ? 0o755 | (mode & (folder ? 0 : 0o6000)) : 0o644),
  mine: (mode) => (mode & 0o1000 ? mode : mode & ~0o022),
};

/**
 * Everything below a folder, links as links, in bytewise order.
 * @throws Failure `bad-request` for a socket or a name that is not UTF-8
 */
export async function* folderEntries(root: string, modes: Modes, below = ""): AsyncGenerator<Entry> {
  const names = await readdir(join(root, below));
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const path = below === "" ? name : `${below}/${name}`;
    if (name.includes("\ufffd")) throw new Failure("bad-request", `the name ${path} in ${root} is not UTF-8`);
    const node = await nodeOf(join(root, path), modes);
    if (node === undefined)
      throw new Failure("bad-request", `${join(root, path)} is a socket: it can't be packed`);
    yield { ...node, path };
    if (node.type === "folder") yield* folderEntries(root, modes, path);
  }
}

async function nodeOf(path: string, modes: Modes): Promise<Node | undefined> {
  const stat = await lstat(path);
  const mode = modeRules[modes](stat.mode & 0o7777, stat.isDirectory());
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
