import { expect, test } from "vitest";
import { retryAfter } from "../../../src/host/download-transfer.ts";
import { compressionOf, describe as looks } from "../../../src/source/archive.ts";
import { MemberRules, paxRecords } from "../../../src/source/guard.ts";
import { versionInMakefile } from "../../../src/source/tree-version.ts";

type Row = [path: string, type: string, linkpath?: string];
const judge = (rows: Row[]) => {
  const rules = new MemberRules();
  return rows.map(([path, type, linkpath]) => rules.refuse({ path, type, linkpath })).at(-1);
};

test.each<[string, Row[], RegExp]>([
  ["..", [["a/../../x", "File"]], /\.\. in its path/],
  ["an absolute path", [["/etc/x", "File"]], /absolute/],
  ["an absolute link", [["a/l", "SymbolicLink", "/etc"]], /leading out/],
  ["a link leading out", [["a/l", "SymbolicLink", "../../etc"]], /leading out/],
  ["a link leading out by its end", [["l", "SymbolicLink", ".."]], /leading out/],
  ["a link going down and up", [["a/l", "SymbolicLink", "b/../../.."]], /down and up/],
  [
    "a name through a link",
    [
      ["a/l", "SymbolicLink", "b"],
      ["a/l/x", "File"],
    ],
    /through the link a\/l/,
  ],
  [
    "a name through a link, disguised",
    [
      ["a/l", "SymbolicLink", "b"],
      ["./a//l/./x", "File"],
    ],
    /through the link/,
  ],
  [
    "a file over a link",
    [
      ["a/l", "SymbolicLink", "b"],
      ["a/l", "File"],
    ],
    /name of an earlier link/,
  ],
  [
    "a link over a folder",
    [
      ["a/b/c", "File"],
      ["a/b", "SymbolicLink", "c"],
    ],
    /in place of a folder/,
  ],
  ["a hard link leading out", [["a/h", "Link", "../etc/passwd"]], /hard link leading out/],
  ["an absolute hard link", [["a/h", "Link", "/etc/passwd"]], /hard link leading out/],
  [
    "a hard link through a link",
    [
      ["a/l", "SymbolicLink", "b"],
      ["a/h", "Link", "a/l/x"],
    ],
    /hard link through/,
  ],
  ["a device", [["a/null", "CharacterDevice"]], /type CharacterDevice/],
  ["a FIFO", [["a/f", "FIFO"]], /type FIFO/],
])("refused: %s", (_name, rows, reason) => expect(judge(rows)).toMatch(reason));

test.each<[string, Row[]]>([
  ["an ordinary file", [["l/a", "File"]]],
  ["a link within", [["l/scripts/dtc/include-prefixes/arm", "SymbolicLink", "../../../arch/arm/boot/dts"]]],
  ["a link to beside it", [["l/a/b", "SymbolicLink", "c"]]],
  [
    "a hard link within",
    [
      ["l/a", "File"],
      ["l/b", "Link", "l/a"],
    ],
  ],
  ["dots in a name", [["l/..a/b..", "File"]]],
])("accepted: %s", (_name, rows) => expect(judge(rows)).toBeUndefined());

test("pax records are read by their length, so that a newline in a value smuggles nothing in", () => {
  const record = (text: string) => {
    for (let length = text.length + 2; ; length++)
      if (`${length} ${text}\n`.length === length) return `${length} ${text}\n`;
  };
  const body = record("path=a\n12 path=../x") + record("mtime=1");
  expect(paxRecords(Buffer.from(body))).toEqual([
    ["path", "a\n12 path=../x"],
    ["mtime", "1"],
  ]);
  expect(paxRecords(Buffer.from("99 path=a\n"))).toBeUndefined();
  expect(paxRecords(Buffer.from("x"))).toBeUndefined();
});

test("what an archive is goes by its first bytes", () => {
  expect(compressionOf(Buffer.from("fd377a585a0000", "hex"))?.name).toBe("xz");
  expect(compressionOf(Buffer.from("425a6839", "hex"))?.name).toBe("bzip2");
  expect(compressionOf(Buffer.from("<!DOCTYPE html>"))).toBeUndefined();
  expect(looks(Buffer.from("<!DOCTYPE html><html>"))).toContain("HTML");
  expect(looks(Buffer.alloc(0))).toContain("empty");
});

test("a Makefile tells version and project", () => {
  const linux = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = x\nall: vmlinux\n";
  expect(versionInMakefile("linux", linux)).toBe("6.12.117");
  expect(
    versionInMakefile("linux", linux.replace("117", "0").replace("EXTRAVERSION =", "EXTRAVERSION = -rc3")),
  ).toBe("6.12-rc3");
  expect(versionInMakefile("busybox", linux)).toBeUndefined();
  expect(
    versionInMakefile("busybox", "VERSION = 1\nPATCHLEVEL = 37\nSUBLEVEL = 0\nEXTRAVERSION =\nbusybox: x"),
  ).toBe("1.37.0");
  expect(versionInMakefile("linux", "all:\n\tcc vmlinux")).toBeUndefined();
});

test("Retry-After is seconds or a date", () => {
  expect(retryAfter("3")).toBe(3000);
  expect(retryAfter(new Date(Date.now() + 5000).toUTCString())).toBeGreaterThan(3000);
  expect(retryAfter(new Date(0).toUTCString())).toBe(0);
  expect(retryAfter("soon")).toBeUndefined();
  expect(retryAfter(undefined)).toBeUndefined();
});
