/** Archives on disk: good ones of every compression, damaged, hostile and swollen ones (CASES 3, 7, 8, 15). */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Header } from "tar";
import { beforeEach, expect, test } from "vitest";
import { sha256Of } from "../../src/host/files.ts";
import type { Failure } from "../../src/outcome.ts";
import { obtainSource, parseSourceRequest } from "../../src/source/source.ts";
import { unpackArchive } from "../../src/source/unpack.ts";
import { type TestContext, testContext } from "../support/context.ts";
import { good, webServer } from "../support/web-server.ts";

const log = { output: () => {}, progress: () => {} };
const makefile = "VERSION = 1\nPATCHLEVEL = 37\nSUBLEVEL = 0\nEXTRAVERSION =\nall: busybox\n";
const policy = { distributionFallback: false };

let context: TestContext;
let into: string;
beforeEach(async () => {
  context = await testContext();
  into = join(context.root, "into");
  mkdirSync(into);
  return () => context[Symbol.asyncDispose]();
});

function write(path: string, data: string | Buffer): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
  return path;
}

/** A small tree with what real ones have: an executable, links, a long name. */
function makeTree(): string {
  const tree = join(context.root, "busybox-1.37.0");
  write(join(tree, "Makefile"), makefile);
  write(join(tree, "applets/applets.c"), "int x;\n");
  write(join(tree, "libbb/run.sh"), "#!/bin/sh\n");
  chmodSync(join(tree, "libbb/run.sh"), 0o755);
  write(join(tree, "scripts", "d".repeat(90), "n".repeat(90)), "long");
  symlinkSync("../libbb/run.sh", join(tree, "scripts/link"));
  return tree;
}

function pack(options: readonly string[], name: string): string {
  const tree = makeTree();
  const path = join(context.root, name);
  expect(spawnSync("tar", [...options, "-cf", path, "-C", dirname(tree), "busybox-1.37.0"]).status).toBe(0);
  return path;
}

/** One archive member by hand. */
function member(path: string, type: string, fields: { linkpath?: string; body?: string } = {}): Buffer {
  const body = Buffer.from(fields.body ?? "");
  const block = Buffer.alloc(512);
  const linkpath = fields.linkpath === undefined ? {} : { linkpath: fields.linkpath };
  new Header({
    path,
    type: type as "File",
    size: body.length,
    mode: 0o644,
    mtime: new Date(0),
    ...linkpath,
  }).encode(block);
  return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
const archiveOf = (...members: Buffer[]) => Buffer.concat([...members, Buffer.alloc(1024)]);

async function unpack(archive: string, maximum?: number): Promise<Failure | undefined> {
  const request = { archive, sha256: sha256Of(readFileSync(archive)), what: "the archive", into };
  return unpackArchive({ ...request, ...(maximum && { maximum }) }, context, log).then(
    () => undefined,
    (failure) => failure,
  );
}

test.each([
  ["xz", ["-J"]],
  ["bzip2", ["-j"]],
  ["gzip", ["-z"]],
  ["zstd", ["--zstd"]],
  ["plain", []],
  ["gzip, pax format", ["-z", "--format=pax"]],
  ["gzip, ustar format", ["-z", "--format=ustar"]],
])("%s: unpacked whole, without its top folder, whatever its name", async (_name, options) => {
  const archive = pack(options, "misnamed.zip");
  const request = parseSourceRequest("busybox", `${archive}#sha256=${sha256Of(readFileSync(archive))}`);
  const source = await obtainSource(request, policy, context, log);
  expect(source).toMatchObject({
    name: "busybox",
    version: "1.37.0",
    verifiedBy: "the SHA-256 that was given",
  });
  await source.unpack(into, log);
  expect(readdirSync(into).sort()).toEqual(["Makefile", "applets", "libbb", "scripts"]);
  expect(lstatSync(join(into, "libbb/run.sh")).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(into, "scripts/link"))).toBe("../libbb/run.sh");
  expect(readFileSync(join(into, "scripts", "d".repeat(90), "n".repeat(90)), "utf8")).toBe("long");
});

test("without a top folder it is unpacked as it is", async () => {
  const path = write(
    join(context.root, "a.tar"),
    archiveOf(member("Makefile", "File", { body: makefile }), member("a/b", "File")),
  );
  expect(await unpack(path)).toBeUndefined();
  expect(readdirSync(into).sort()).toEqual(["Makefile", "a"]);
});

test.each<[string, () => Buffer]>([
  ["..", () => archiveOf(member("t/../../outside", "File", { body: "x" }))],
  ["an absolute path", () => archiveOf(member("/tmp/bootgate-outside", "File", { body: "x" }))],
  ["a link leading out", () => archiveOf(member("t/l", "SymbolicLink", { linkpath: "../../outside" }))],
  ["an absolute link", () => archiveOf(member("t/l", "SymbolicLink", { linkpath: "/etc" }))],
  [
    "a link to beside the top folder",
    () => archiveOf(member("t/l", "SymbolicLink", { linkpath: "../outside" })),
  ],
  [
    "writing through a link",
    () => archiveOf(member("t/l", "SymbolicLink", { linkpath: "." }), member("t/l/../../../outside", "File")),
  ],
  ["a hard link leading out", () => archiveOf(member("t/h", "Link", { linkpath: "../outside" }))],
  ["a device", () => archiveOf(member("t/d", "CharacterDevice"))],
  [
    "a long name leading out",
    () =>
      archiveOf(
        member("././@LongLink", "NextFileHasLongPath", { body: "../../outside\0" }),
        member("t/a", "File"),
      ),
  ],
  [
    "a pax name leading out",
    () =>
      archiveOf(member("x", "ExtendedHeader", { body: "22 path=../../outside\n" }), member("t/a", "File")),
  ],
  [
    "a global pax name",
    () => archiveOf(member("x", "GlobalExtendedHeader", { body: "9 path=x\n" }), member("t/a", "File")),
  ],
])("refused, nothing left behind and nothing outside: %s", async (_name, make) => {
  const before = readdirSync(context.root);
  // An ordinary member first: it must not stay either.
  const path = write(
    join(context.root, "evil.tar"),
    Buffer.concat([member("t/first", "File", { body: "x" }), make()]),
  );
  const failure = await unpack(path);
  expect(failure?.failureClass).toBe("source-rejected");
  expect(failure?.message).toMatch(/refused/);
  expect(readdirSync(into)).toEqual([]);
  expect(readdirSync(context.root).sort()).toEqual([...before, "evil.tar"].sort());
});

test("behind the end of the archive nothing is unpacked", async () => {
  const hidden = Buffer.concat([archiveOf(member("t/a", "File")), archiveOf(member("../outside", "File"))]);
  expect(await unpack(write(join(context.root, "a.tar"), hidden))).toBeUndefined();
  expect(readdirSync(into)).toEqual(["a"]);
});

test.each([
  ["a web page", Buffer.from("<html><body>moved</body></html>"), /not an archive: it is a web page/],
  ["nothing", Buffer.alloc(0), /not an archive: it is empty/],
  ["text", Buffer.from("404 not found"), /not an archive: it is text/],
])("%s is not an archive", async (_name, data, message) => {
  const request = parseSourceRequest("linux", write(join(context.root, "l.tar.xz"), data));
  await expect(obtainSource(request, policy, context, log)).rejects.toThrow(message);
});

test("cut short or damaged: rejected, nothing left behind", async () => {
  const archive = pack(["-J"], "a.tar.xz");
  const data = readFileSync(archive);
  const damaged = Buffer.from(data);
  damaged[data.length >> 1]! ^= 0xff;
  for (const bad of [data.subarray(0, data.length - 40), damaged]) {
    const failure = await unpack(write(join(context.root, "bad"), bad));
    expect(failure?.failureClass).toBe("source-rejected");
    expect(readdirSync(into)).toEqual([]);
  }
});

test("the wrong hash is refused with both hashes, before anything is unpacked", async () => {
  const archive = pack(["-z"], "a.tar.gz");
  const request = parseSourceRequest("busybox", `${archive}#sha256=${"0".repeat(64)}`);
  const failure: Failure = await obtainSource(request, policy, context, log).then(
    () => expect.unreachable(),
    (error) => error,
  );
  expect(failure.failureClass).toBe("source-rejected");
  expect(failure.detail.join("\n")).toContain(sha256Of(readFileSync(archive)));
});

test("an archive that changed since it was proved is refused when it is unpacked", async () => {
  const archive = pack(["-z"], "a.tar.gz");
  const source = await obtainSource(parseSourceRequest("busybox", archive), policy, context, log);
  write(join(context.root, "busybox-1.37.0", "new"), "x");
  spawnSync("tar", ["-czf", archive, "-C", context.root, "busybox-1.37.0"]);
  await expect(source.unpack(into, log)).rejects.toThrow(/changed while/);
  expect(readdirSync(into)).toEqual([]);
});

test("a bomb is stopped at the size limit", async () => {
  const bomb = join(context.root, "bomb.tar.xz");
  const size = 300 << 20;
  const zeros = member("t/zeros", "File");
  new Header({ path: "t/zeros", type: "File", size, mode: 0o644, mtime: new Date(0) }).encode(zeros);
  const made = spawnSync("sh", ["-c", `{ cat; head -c ${size} /dev/zero; } | xz -0 > "$1"`, "sh", bomb], {
    input: zeros,
  });
  expect(made.status).toBe(0);
  const failure = await unpack(bomb);
  expect(failure?.failureClass).toBe("source-rejected");
  expect(failure?.message).toMatch(/unpacks to more than 268 MB/);
  expect(readdirSync(into)).toEqual([]);
});

test("an archive of another project is no source of this one", async () => {
  const request = parseSourceRequest("linux", pack(["-z"], "a.tar.gz"));
  await expect(obtainSource(request, policy, context, log)).rejects.toThrow(/not the source of linux/);
});

test("a pinned release that a mirror serves with other bytes is never unpacked, and no fallback is taken", async () => {
  await using server = await webServer({
    "/v6.x/linux-6.18.55.tar.xz": good(readFileSync(pack(["-J"], "a"))),
  });
  const mirrors = { linux: [server.base], busybox: [server.base] };
  const asked = obtainSource(
    parseSourceRequest("linux", "auto"),
    { distributionFallback: true, mirrors },
    context,
    log,
  );
  await expect(asked).rejects.toThrow(/wrong hash/);
});

const canMount = process.getuid?.() === 0;

// Needs root for a small tmpfs of its own.
test.skipIf(!canMount)(
  "a full disk (made with a small tmpfs, which takes root) is that, with the free space named, and leaves nothing behind",
  async () => {
    // Zeros pack so well that only the writing finds out.
    write(join(makeTree(), "zeros"), Buffer.alloc(3 << 20));
    const packed = join(context.root, "z.tar.gz");
    spawnSync("tar", ["-czf", packed, "-C", context.root, "busybox-1.37.0"]);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", into]).status).toBe(0);
    try {
      const failure = await unpack(packed);
      expect(failure?.failureClass).toBe("disk-full");
      expect(failure?.message).toMatch(/MB are free/);
      expect(readdirSync(into)).toEqual([]);
    } finally {
      spawnSync("umount", ["--lazy", into]);
    }
  },
);
