/**
 * The root file system of an initramfs, as entries: the skeleton, BusyBox, /init, a few files of /etc, and the
 * overlays in their order over all of it.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { Failure } from "../outcome.ts";
import { readArchive } from "./archive.ts";
import { folderEntries } from "./folder.ts";
import type { Entry, Node } from "./newc.ts";
import { Tree } from "./tree.ts";

/** A BusyBox that was built: its binary, and the absolute names of its applets (busybox.links: "/bin/sh", "/linuxrc"). */
export interface Busybox {
  readonly binary: string;
  readonly links: readonly string[];
}

/** What a root file system is made of. */
export interface RootParts {
  readonly busybox: Busybox;
  /** /init: its text, or the user's file. It gets mode 0755 either way. */
  readonly init: string | { readonly path: string };
  /** Folders and archives, laid over the root in this order. */
  readonly overlays: readonly string[];
}

const text = (lines: readonly string[]): Node => ({
  type: "file",
  mode: 0o644,
  content: Buffer.from(lines.map((line) => `${line}\n`).join("")),
});

const folder = (mode = 0o755): Node => ({ type: "folder", mode });

/** What is there before anything is laid over it. */
const skeleton: readonly (readonly [string, Node])[] = [
  ["bin", folder()],
  ["dev", folder()],
  // /init opens these before it has mounted devtmpfs, and a kernel may have none; one built with an initramfs of its own
  // lacks the /dev/console that the default one brings (usr/default_cpio_list).
  ["dev/console", { type: "char", mode: 0o600, major: 5, minor: 1 }],
  ["dev/null", { type: "char", mode: 0o666, major: 1, minor: 3 }],
  ["dev/pts", folder()],
  ["dev/shm", folder(0o1777)],
  ["etc", folder()],
  ["etc/group", text(["root:x:0:"])],
  ["etc/passwd", text(["root::0:0:root:/root:/bin/sh"])],
  ["mnt", folder()],
  ["proc", folder(0o555)],
  ["root", folder(0o700)],
  ["run", folder()],
  ["sbin", folder()],
  ["sys", folder(0o555)],
  ["tmp", folder(0o1777)],
  ["usr", folder()],
  ["usr/bin", folder()],
  ["usr/sbin", folder()],
  ["var", folder()],
];

/**
 * All entries of the root file system.
 * @param spool a folder for the contents of archives; it must live until the entries are packed
 * @throws Failure `bad-request` for a missing or unusable init or overlay
 */
export async function rootEntries(
  parts: RootParts,
  spool: string,
  context: Context,
): Promise<readonly Entry[]> {
  const tree = new Tree();
  for (const [path, node] of skeleton) tree.put(path, node);
  const { binary, links } = parts.busybox;
  tree.put(busyboxPath, await programNode(binary, "busybox"));
  for (const link of links) tree.put(link.replace(/^\/+/, ""), { type: "link", target: relativeTo(link) });
  tree.put("init", await initNode(parts.init));
  for (const [index, overlay] of parts.overlays.entries()) {
    await layOver(tree, overlay, join(spool, `overlay-${index}`), context);
  }
  return tree.entries();
}

const busyboxPath = "bin/busybox";

/** The way from an applet's name to BusyBox: relative, as BusyBox's own install makes it, so that it holds in a chroot too. */
function relativeTo(link: string): string {
  const folders = link.split("/").filter(Boolean).slice(0, -1);
  return folders.join("/") === "bin" ? "busybox" : "../".repeat(folders.length) + busyboxPath;
}

async function initNode(init: RootParts["init"]): Promise<Node> {
  if (typeof init === "string") return { type: "file", mode: 0o755, content: Buffer.from(init) };
  return programNode(init.path, "init");
}

async function programNode(path: string, name: string): Promise<Node> {
  const found = await stat(path).catch((cause) => {
    throw new Failure("bad-request", `${name}: ${path} can't be read`, { cause });
  });
  if (!found.isFile()) throw new Failure("bad-request", `${name}: ${path} is not a file`);
  return { type: "file", mode: 0o755, content: { path, offset: 0, size: found.size } };
}

async function layOver(tree: Tree, overlay: string, spool: string, context: Context): Promise<void> {
  const found = await stat(overlay).catch((cause) => {
    throw new Failure("bad-request", `overlay: ${overlay} can't be read`, { cause });
  });
  if (found.isDirectory()) {
    for await (const { path, ...node } of folderEntries(overlay)) tree.put(path, node);
    return;
  }
  if (!found.isFile())
    throw new Failure("bad-request", `overlay: ${overlay} is neither a folder nor an archive`);
  for (const { path, ...node } of await readArchive(overlay, spool, context)) {
    if (node.type !== "hard link") {
      tree.put(path, node);
      continue;
    }
    const target = tree.file(node.target);
    if (target === undefined) {
      throw new Failure(
        "bad-request",
        `overlay ${overlay}: ${path} is a hard link to ${node.target}, which is not there`,
      );
    }
    tree.put(path, { type: "file", mode: target.mode, content: target.content });
  }
}
