/** Folders as sources: what counts, what is copied, and that the folder itself stays as it was. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { identityOf, listFiles } from "../../src/source/identity.ts";
import { obtainSource, parseSourceRequest } from "../../src/source/source.ts";
import { type TestContext, testContext } from "../support/context.ts";

const log = { output: () => {}, progress: () => {} };
const policy = { distributionFallback: false };
let context: TestContext;
let tree: string;
let into: string;

function write(path: string, data: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), data);
}
const git = (...args: string[]) => {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"];
  const { status, stderr } = spawnSync("git", ["-C", tree, ...identity, ...args]);
  expect(status, String(stderr)).toBe(0);
};
const obtain = () => obtainSource(parseSourceRequest("busybox", tree), policy, context, log);

beforeEach(async () => {
  context = await testContext();
  tree = join(context.root, "tree");
  into = join(context.root, "into");
  mkdirSync(into);
  write(
    "Makefile",
    "VERSION = 1\nPATCHLEVEL = 38\nSUBLEVEL = 0\nEXTRAVERSION = .git\nmrproper:\n\trm -rf .config include/config *.o\n# busybox\n",
  );
  write("applets/applets.c", "int applets;\n");
  write("libbb/a.c", "int a;\n");
  write("scripts/run", "#!/bin/sh\n");
  write(".gitignore", "*.o\n.config\n");
  chmodSync(join(tree, "scripts/run"), 0o755);
  symlinkSync("../libbb/a.c", join(tree, "applets/link"));
  return () => context[Symbol.asyncDispose]();
});

test("a plain folder built in place: the copy is clean, the folder is not touched", async () => {
  write(".config", "CONFIG_X=y\n");
  write("a.o", "object");
  const before = await identityOf(tree, listFiles(tree));
  const source = await obtain();
  expect(source).toMatchObject({ version: "1.38.0.git", origin: tree, sha256: before.sha256 });
  await source.unpack(into, log);
  expect(readdirSync(into)).not.toContain(".config");
  expect(readdirSync(into)).not.toContain("a.o");
  expect(await identityOf(tree, listFiles(tree))).toEqual(before);
});

test("the identity follows content, names, execute bits and links, and nothing else", async () => {
  const seen = new Set<string>();
  const identity = async () => (await obtain()).sha256;
  seen.add(await identity());
  spawnSync("touch", ["-d", "2001-01-01", join(tree, "libbb/a.c")]);
  chmodSync(join(tree, "libbb/a.c"), 0o600);
  seen.add(await identity());
  expect(seen.size).toBe(1);
  const changes = [
    () => write("libbb/a.c", "int b;\n"),
    () => chmodSync(join(tree, "libbb/a.c"), 0o700),
    () => write("libbb/b.c", ""),
    () => {
      rmSync(join(tree, "applets/link"));
      symlinkSync("../libbb/b.c", join(tree, "applets/link"));
    },
  ];
  for (const change of changes) {
    change();
    seen.add(await identity());
  }
  expect(seen.size).toBe(1 + changes.length);
});

test("a git work tree: what git would commit counts and is copied, nothing else", async () => {
  git("init", "-q");
  git("add", "-A");
  git("commit", "-qm", "x");
  const clean = await obtain();
  expect(clean.origin).toMatch(/git work tree at [0-9a-f]{12}/);
  write("ignored.o", "x");
  write(".config", "x");
  expect((await obtain()).sha256).toBe(clean.sha256);
  write("libbb/a.c", "changed, not committed\n");
  write("libbb/ü\nnew.c", "untracked\n");
  rmSync(join(tree, "applets/link"));
  // A checkout of another user's, as in a container.
  if (process.getuid?.() === 0) chownSync(tree, 1234, 1234);
  const dirty = await obtain();
  expect(dirty.sha256).not.toBe(clean.sha256);
  await dirty.unpack(into, log);
  expect(listFiles(into).sort()).toEqual(
    [".gitignore", "Makefile", "applets/applets.c", "libbb/a.c", "libbb/ü\nnew.c", "scripts/run"].sort(),
  );
  expect(readFileSync(join(into, "libbb/a.c"), "utf8")).toBe("changed, not committed\n");
  expect(existsSync(join(tree, ".config"))).toBe(true);
});

test("nothing that the repository's configuration names is started", async () => {
  git("init", "-q");
  git("add", "-A");
  git("commit", "-qm", "x");
  git("config", "core.fsmonitor", `touch ${join(context.root, "started")}`);
  await obtain();
  expect(existsSync(join(context.root, "started"))).toBe(false);
});

test("a folder that changes between hashing and copying is an error, not a wrong key", async () => {
  const source = await obtain();
  write("libbb/a.c", "later\n");
  await expect(source.unpack(into, log)).rejects.toThrow(/changed while it was being copied/);
  expect(readdirSync(into)).toEqual([]);
});

test("what is no such tree is refused, naming what is missing", async () => {
  rmSync(join(tree, "libbb"), { recursive: true });
  await expect(obtain()).rejects.toThrow(/not the source of busybox: it has no libbb/);
  const asLinux = obtainSource(parseSourceRequest("linux", tree), policy, context, log);
  await expect(asLinux).rejects.toThrow(/it has no Kbuild/);
  const hashed = parseSourceRequest("busybox", `${tree}#sha256=${"0".repeat(64)}`);
  await expect(obtainSource(hashed, policy, context, log)).rejects.toThrow(/is a folder/);
  await expect(obtainSource(parseSourceRequest("linux", "./nowhere"), policy, context, log)).rejects.toThrow(
    /ENOENT/,
  );
});
