/**
 * A root file system in the making: nodes by name, later ones over earlier ones. Nothing is ever written to this
 * computer's disk, so owners, device nodes and hostile names need no privilege and do no harm.
 */
import type { Content, Entry, Node } from "./newc.ts";

/** MAXSYMLINKS of Linux. */
const linkMaximum = 40;

/** The mode of a folder that nobody described. */
const folderMode = 0o755;

export class Tree {
  readonly #nodes = new Map<string, Node>();

  /** The node of that name itself (a link is not followed at the end); undefined when there is none. */
  get(path: string): Node | undefined {
    return this.#nodes.get(path);
  }

  /** All entries, in no particular order. */
  entries(): Entry[] {
    return [...this.#nodes].map(([path, node]) => ({ ...node, path }));
  }

  /**
   * Lays one node over the tree. Folders on the way are made; a link to a folder on the way is followed within the
   * tree, so that `lib/x` lands in `usr/lib` where `lib -> usr/lib`, and a folder laid over such a link keeps the link.
   * A folder over a folder keeps its content and takes the new mode; anything else in the way is replaced.
   * @param path relative, without "." and ".."
   */
  put(path: string, node: Node): void {
    const parts = path.split("/");
    const name = parts.pop() ?? "";
    let folder = "";
    for (const part of parts) folder = this.#enter(join(folder, part));
    const place = join(folder, name);
    const there = this.#nodes.get(place);
    if (node.type === "folder") {
      const target = there?.type === "link" ? this.#follow(place) : place;
      if (target === "") return;
      if (target !== undefined && this.#nodes.get(target)?.type === "folder") {
        this.#nodes.set(target, node);
        return;
      }
    }
    if (there?.type === "folder") this.#removeBelow(place);
    this.#nodes.set(place, node);
  }

  /** The content of a file, links followed as the finished system would; undefined when there is no file. */
  file(path: string): { readonly mode: number; readonly content: Content } | undefined {
    const place = this.#follow(path);
    const node = place === undefined ? undefined : this.#nodes.get(place);
    return node?.type === "file" ? node : undefined;
  }

  /** The folder's real place, made or made room for when it is not one. */
  #enter(path: string): string {
    const place = this.#follow(path);
    if (place === "") return "";
    if (place !== undefined && this.#nodes.get(place)?.type === "folder") return place;
    this.#nodes.set(path, { type: "folder", mode: folderMode });
    return path;
  }

  /** Where a name leads to, every link followed, ".." stopping at the root; undefined when it leads nowhere. */
  #follow(path: string): string | undefined {
    let rest = path.split("/");
    let place = "";
    for (let links = 0; rest.length > 0; ) {
      const part = rest.shift() ?? "";
      if (part === "" || part === ".") continue;
      if (part === "..") {
        place = place.slice(0, Math.max(0, place.lastIndexOf("/")));
        continue;
      }
      const next = join(place, part);
      const node = this.#nodes.get(next);
      if (node === undefined) return undefined;
      if (node.type !== "link") {
        if (rest.length > 0 && node.type !== "folder") return undefined;
        place = next;
        continue;
      }
      if (++links > linkMaximum) return undefined;
      rest = [...node.target.split("/"), ...rest];
      if (node.target.startsWith("/")) place = "";
    }
    return place;
  }

  #removeBelow(folder: string): void {
    for (const path of this.#nodes.keys()) {
      if (path.startsWith(`${folder}/`)) this.#nodes.delete(path);
    }
  }
}

function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
