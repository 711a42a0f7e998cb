/** The initramfs against the real programs: cpio reads it, every compression, every kind of overlay archive. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, open, readFile, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { compressions, compressionTable } from "../../src/image/compress.ts";
import { packInitramfs } from "../../src/image/initramfs.ts";
import { inspectInitramfs } from "../../src/image/inspect.ts";
import { type Entry, newcBuffer } from "../../src/image/newc.ts";
import { inspectNewc } from "../../src/image/newc-read.ts";
import { rootEntries } from "../../src/image/root.ts";
import { scratchFolder, silentLog, testContext } from "../support/image-context.ts";

const sh = (command: string, cwd: string) =>
  execFileSync("sh", ["-ec", command], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

async function partsIn(folder: string, overlays: readonly string[] = []) {
  await writeFile(`${folder}/busybox`, "a static program", { mode: 0o600 });
  const busybox = { binary: `${folder}/busybox`, links: ["/bin/sh", "/usr/bin/[", "/sbin/init", "/linuxrc"] };
  return { busybox, init: "#!/bin/sh\n", overlays };
}

const entry = (entries: readonly Entry[], path: string) =>
  entries.find((candidate) => candidate.path === path);

async function contentOf(entries: readonly Entry[], path: string): Promise<string | undefined> {
  const found = entry(entries, path);
  if (found?.type !== "file") return undefined;
  const { content } = found;
  if (content instanceof Uint8Array) return Buffer.from(content).toString();
  return (await readFile(content.path)).subarray(content.offset, content.offset + content.size).toString();
}

test("cpio lists the archive as it is meant: owners, modes, links, device nodes, dates", async () => {
  await using folder = await scratchFolder();
  const entries = await rootEntries(await partsIn(folder.path), folder.path, testContext(folder.path));
  const { path } = await packInitramfs(entries, "none", folder.path, testContext(folder.path), silentLog);
  const listing = sh(`TZ=UTC LC_ALL=C cpio -itvn --quiet < "${path}"`, folder.path);
  const lines = listing
    .trim()
    .split("\n")
    .map((line) => line.replace(/\s+/g, " "));
  expect(lines).toEqual([
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 bin",
    "-rwxr-xr-x 1 0 0 16 Jan 1 2025 bin/busybox",
    "lrwxrwxrwx 1 0 0 7 Jan 1 2025 bin/sh -> busybox",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 dev",
    "crw------- 1 0 0 5, 1 Jan 1 2025 dev/console",
    "crw-rw-rw- 1 0 0 1, 3 Jan 1 2025 dev/null",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 dev/pts",
    "drwxrwxrwt 2 0 0 0 Jan 1 2025 dev/shm",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 etc",
    "-rw-r--r-- 1 0 0 10 Jan 1 2025 etc/group",
    "-rw-r--r-- 1 0 0 29 Jan 1 2025 etc/passwd",
    "-rwxr-xr-x 1 0 0 10 Jan 1 2025 init",
    "lrwxrwxrwx 1 0 0 11 Jan 1 2025 linuxrc -> bin/busybox",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 mnt",
    "dr-xr-xr-x 2 0 0 0 Jan 1 2025 proc",
    "drwx------ 2 0 0 0 Jan 1 2025 root",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 run",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 sbin",
    "lrwxrwxrwx 1 0 0 14 Jan 1 2025 sbin/init -> ../bin/busybox",
    "dr-xr-xr-x 2 0 0 0 Jan 1 2025 sys",
    "drwxrwxrwt 2 0 0 0 Jan 1 2025 tmp",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 usr",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 usr/bin",
    "lrwxrwxrwx 1 0 0 17 Jan 1 2025 usr/bin/[ -> ../../bin/busybox",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 usr/sbin",
    "drwxr-xr-x 2 0 0 0 Jan 1 2025 var",
  ]);
});

describe.each(compressions)("compression %s", (compression) => {
  test("unpacks to the plain archive, twice the same bytes, and its damage is seen", async () => {
    await using folder = await scratchFolder();
    const context = testContext(folder.path);
    const entries = await rootEntries(await partsIn(folder.path), folder.path, context);
    const first = await packInitramfs(entries, compression, folder.path, context, silentLog);
    const second = await packInitramfs(entries, compression, folder.path, context, silentLog);
    expect(second).toEqual(first);
    expect(first.name).toBe(`initramfs.cpio${compressionTable[compression].suffix}`);
    const { program } = compressionTable[compression];
    const plain = program
      ? execFileSync(program, ["-dc", "-q"], { input: await readFile(first.path) })
      : await readFile(first.path);
    expect(plain.equals(await newcBuffer(entries))).toBe(true);

    expect(await inspectInitramfs(first.path, context)).toBeUndefined();
    const early = await newcBuffer([{ path: "kernel", type: "folder", mode: 0o755 }]);
    await writeFile(
      `${folder.path}/early`,
      Buffer.concat([early, Buffer.alloc(300), await readFile(first.path)]),
    );
    expect(await inspectInitramfs(`${folder.path}/early`, context)).toBeUndefined();
    await truncate(`${folder.path}/early`, early.length + 300 + Math.floor(first.size * 0.6));
    expect(await inspectInitramfs(`${folder.path}/early`, context)).toMatch(/damaged/);
    await truncate(first.path, Math.floor(first.size * 0.6));
    expect(await inspectInitramfs(first.path, context)).toMatch(/damaged/);
  });
});

test("what can't be judged is not called damaged; what is plainly wrong is named", async () => {
  await using folder = await scratchFolder();
  const context = testContext(folder.path);
  const inspect = async (bytes: Buffer, using = context) => {
    await writeFile(`${folder.path}/x`, bytes);
    return inspectInitramfs(`${folder.path}/x`, using);
  };
  expect(await inspect(Buffer.from("a file system, perhaps"))).toBeUndefined();
  expect(await inspect(Buffer.alloc(0))).toBe("the file is empty");
  const frame = execFileSync("lz4", ["-zcq"], { input: await newcBuffer([]) });
  expect(await inspect(frame)).toMatch(/legacy format/);
  const xz = execFileSync("xz", ["-c"], { input: "not an archive" });
  expect(await inspect(xz)).toBe("the xz data hold no cpio archive");
  expect(await inspect(xz, testContext(folder.path, { run: { find: () => undefined } }))).toBeUndefined();
});

test("overlays: the exec bit and private modes stay, the umask's bits do not, links stay links, later ones win", async () => {
  await using folder = await scratchFolder();
  const one = `${folder.path}/-one, two @@`;
  await mkdir(`${one}/etc`, { recursive: true });
  const write = async (path: string, text: string, mode: number) => {
    await writeFile(path, text);
    await chmod(path, mode);
  };
  await write(`${one}/etc/run`, "x", 0o775);
  await write(`${one}/etc/key`, "secret", 0o600);
  await write(`${one}/etc/passwd`, "mine", 0o664);
  await symlink("/nowhere", `${one}/etc/link`);
  await mkdir(`${folder.path}/two/etc`, { recursive: true });
  await write(`${folder.path}/two/etc/run`, "y", 0o644);
  const context = testContext(folder.path);
  const entries = await rootEntries(
    await partsIn(folder.path, [one, `${folder.path}/two`]),
    folder.path,
    context,
  );
  expect(entry(entries, "etc/run")).toMatchObject({ mode: 0o644 });
  expect(await contentOf(entries, "etc/run")).toBe("y");
  expect(entry(entries, "etc/key")).toMatchObject({ mode: 0o600 });
  expect(entry(entries, "etc/passwd")).toMatchObject({ mode: 0o644 });
  expect(await contentOf(entries, "etc/passwd")).toBe("mine");
  expect(entry(entries, "etc/link")).toMatchObject({ type: "link", target: "/nowhere" });

  const archived = await newcBuffer(entries);
  await chmod(`${one}/etc/passwd`, 0o644);
  await utimes(`${one}/etc/key`, 1, 1);
  const again = await rootEntries(
    await partsIn(folder.path, [one, `${folder.path}/two`]),
    folder.path,
    context,
  );
  expect((await newcBuffer(again)).equals(archived)).toBe(true);
});

const makers: readonly (readonly [string, string])[] = [
  ["tar", "tar cf ../o -C . ."],
  ["tar.gz, ustar", "tar czf ../o --format=ustar *"],
  ["tar.xz, pax", "tar cJf ../o --format=pax *"],
  ["tar.zst", "tar c * | zstd -q > ../o"],
  ["tar.bz2", "tar cjf ../o *"],
  ["tar.lz4", "tar c * | lz4 -q > ../o"],
  ["cpio", "find . | cpio -o -H newc --quiet > ../o"],
  ["cpio with check sums, gzip", "find * | cpio -o -H crc --quiet | gzip > ../o"],
];

test.each(makers)("an overlay archive: %s", async (_, make) => {
  await using folder = await scratchFolder();
  const source = `${folder.path}/s`;
  await mkdir(`${source}/opt/deep`, { recursive: true });
  await writeFile(`${source}/opt/tool`, "the tool", { mode: 0o755 });
  await writeFile(`${source}/opt/deep/${"n".repeat(90)}`, "");
  sh("chmod 4755 opt/tool; ln opt/tool opt/again; ln -s ../tool opt/deep/link; mkfifo opt/pipe", source);
  sh(make, source);
  const context = testContext(folder.path);
  const entries = await rootEntries(await partsIn(folder.path, [`${folder.path}/o`]), folder.path, context);
  for (const name of ["opt/tool", "opt/again"]) {
    expect(entry(entries, name)).toMatchObject({ type: "file", mode: 0o4755 });
    expect(await contentOf(entries, name)).toBe("the tool");
  }
  expect(entry(entries, "opt/deep/link")).toMatchObject({ type: "link", target: "../tool" });
  expect(entry(entries, "opt/pipe")).toMatchObject({ type: "fifo" });
  expect(entry(entries, `opt/deep/${"n".repeat(90)}`)).toMatchObject({ content: { size: 0 } });
});

const hostile: readonly (readonly [string, string, RegExp])[] = [
  ["a tar member with ..", "tar cPf o --transform 's,^f$,../f,' f", /leads out of it: "\.\.\/f"/],
  ["an absolute tar member", "tar cPf o --transform 's,^f$,/etc/f,' f", /absolute name: "\/etc\/f"/],
  [
    "a tar hard link that leads out",
    "ln f g; tar cPf o --transform 's,^f$,../f,h' g f; tar cPf o --transform 's,^f$,../f,' f g",
    /leads out of it/,
  ],
  [
    "a hard link to what is not there",
    "ln f g; tar cf o f g; tar --delete -f o f",
    /hard link to f, which is not there/,
  ],
  [
    "a cpio member with ..",
    "mkdir d; cd d; echo ../f | cpio -o -H newc --quiet > ../o",
    /leads out of it: "\.\.\/f"/,
  ],
  ["an absolute cpio member", 'echo "$PWD/f" | cpio -o -H newc --quiet > o', /absolute name/],
  ["an old cpio", "echo f | cpio -o -H odc --quiet > o", /not of the newc format/],
  ["a truncated tar.gz", "tar czf p f big; head -c 9000 p > o", /is damaged/],
  ["a truncated tar", "tar cf p f big; head -c 9000 p > o", /is damaged/],
  [
    "a truncated cpio",
    "printf 'f\\nbig\\n' | cpio -o -H newc --quiet | head -c 9000 > o",
    /is damaged: it ends/,
  ],
  ["a truncated tar.xz", "tar cJf p f big; head -c 9000 p > o", /is damaged: xz/],
  ["no archive", "cp big o", /is no archive/],
  ["an empty file", ": > o", /is no archive/],
  [
    "a sparse tar",
    "truncate -s 1M hole; printf x >> hole; tar cSf o --format=gnu hole",
    /can't be packed|is damaged/,
  ],
];

test.each(hostile)("an overlay that is refused: %s", async (_, make, message) => {
  await using folder = await scratchFolder();
  sh("printf x > f; head -c 20000 /dev/urandom > big", folder.path);
  sh(make, folder.path);
  const parts = await partsIn(folder.path, [`${folder.path}/o`]);
  const attempt = rootEntries(parts, folder.path, testContext(folder.path));
  await expect(attempt).rejects.toMatchObject({
    failureClass: "bad-request",
    message: expect.stringMatching(message),
  });
  await expect(attempt).rejects.toThrow(`${folder.path}/o`);
});

test("an overlay or init that is not there is named", async () => {
  await using folder = await scratchFolder();
  const context = testContext(folder.path);
  const parts = await partsIn(folder.path, [`${folder.path}/none`]);
  await expect(rootEntries(parts, folder.path, context)).rejects.toThrow(/overlay: .*none can't be read/);
  const init = { ...parts, overlays: [], init: { path: `${folder.path}/none` } };
  await expect(rootEntries(init, folder.path, context)).rejects.toThrow(/init: .*none can't be read/);
});

test("an overlay of 100 MB is packed without being held in memory", { timeout: 60_000 }, async () => {
  await using folder = await scratchFolder();
  await mkdir(`${folder.path}/o`);
  const big = await open(`${folder.path}/o/big`, "w");
  await big.truncate(100e6);
  await big.close();
  sh("tar czf o.tar.gz -C o .", folder.path);
  const context = testContext(folder.path);
  let highest = 0;
  const before = process.memoryUsage().rss;
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage().rss);
  }, 20);
  for (const overlay of ["o", "o.tar.gz"]) {
    const spool = `${folder.path}/spool-${overlay}`;
    await mkdir(spool);
    const entries = await rootEntries(
      await partsIn(folder.path, [`${folder.path}/${overlay}`]),
      spool,
      context,
    );
    const packed = await packInitramfs(entries, "none", folder.path, context, silentLog);
    expect(packed.size).toBeGreaterThan(100e6);
    expect((await inspectNewc(packed.path)).damage).toBeUndefined();
  }
  clearInterval(timer);
  expect((highest - before) / 1e6).toBeLessThan(150);
});
