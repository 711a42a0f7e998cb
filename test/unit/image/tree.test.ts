import { expect, test } from "vitest";
import type { Node } from "../../../src/image/newc.ts";
import { Tree } from "../../../src/image/tree.ts";

const folder = (mode = 0o755): Node => ({ type: "folder", mode });
const file = (text: string): Node => ({ type: "file", mode: 0o644, content: Buffer.from(text) });
const link = (target: string): Node => ({ type: "link", target });

function treeOf(...nodes: readonly (readonly [string, Node])[]): Record<string, string> {
  const tree = new Tree();
  for (const [path, node] of nodes) tree.put(path, node);
  const described = tree.entries().map((entry) => {
    const what =
      entry.type === "link"
        ? `-> ${entry.target}`
        : entry.type === "file"
          ? String(entry.content)
          : `${entry.type} ${(entry as { mode: number }).mode.toString(8)}`;
    return [entry.path, what] as const;
  });
  return Object.fromEntries(described.sort(([a], [b]) => (a < b ? -1 : 1)));
}

test("makes the folders on the way", () => {
  expect(treeOf(["a/b/c", file("1")])).toEqual({ a: "folder 755", "a/b": "folder 755", "a/b/c": "1" });
});

test("a file over a folder takes the place of all that was in it", () => {
  expect(treeOf(["a/b/c", file("1")], ["ab", file("2")], ["a", file("3")])).toEqual({ a: "3", ab: "2" });
});

test("a folder over a file takes its place", () => {
  expect(treeOf(["a", file("1")], ["a", folder(0o700)], ["a/b", file("2")])).toEqual({
    a: "folder 700",
    "a/b": "2",
  });
});

test("a file in the way of a deeper name gives way", () => {
  expect(treeOf(["a", file("1")], ["a/b", file("2")])).toEqual({ a: "folder 755", "a/b": "2" });
});

test("a folder over a folder keeps what is in it and takes the new mode", () => {
  expect(treeOf(["a/b", file("1")], ["a", folder(0o711)])).toEqual({ a: "folder 711", "a/b": "1" });
});

test("a link to a folder is followed on the way, within the tree", () => {
  const usr = [
    ["usr/lib/x", file("1")],
    ["lib", link("/usr/lib")],
  ] as const;
  expect(treeOf(...usr, ["lib/y", file("2")])).toMatchObject({ lib: "-> /usr/lib", "usr/lib/y": "2" });
  expect(treeOf(...usr, ["lib", folder(0o700)])).toMatchObject({
    lib: "-> /usr/lib",
    "usr/lib": "folder 700",
  });
});

test("a link that leads out of the root is followed no further than the root", () => {
  expect(treeOf(["etc/a", file("1")], ["up", link("../../../../etc")], ["up/b", file("2")])).toMatchObject({
    "etc/b": "2",
  });
});

test("links in a circle and links to nowhere give way to a folder", () => {
  expect(treeOf(["a", link("b")], ["b", link("a")], ["a/x", file("1")])).toEqual({
    a: "folder 755",
    "a/x": "1",
    b: "-> a",
  });
  expect(treeOf(["a", link("nowhere")], ["a/x", file("1")])).toEqual({ a: "folder 755", "a/x": "1" });
});

test("a file over a link replaces the link, not what it leads to", () => {
  expect(
    treeOf(["bin/sh", link("busybox")], ["bin/busybox", file("1")], ["bin/sh", file("2")]),
  ).toMatchObject({
    "bin/sh": "2",
    "bin/busybox": "1",
  });
});
