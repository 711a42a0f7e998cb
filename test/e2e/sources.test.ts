/** Sources that are a person's own: a tree that was built in place, an archive with its hash. */
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256OfFile } from "../../src/host/files.ts";
import { bootgate, defaultBuild, hitsOf, resultIn, suiteCache } from "../support/cli.ts";

let folder: string;
let archive: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bootgate-sources-"));
  const out = join(folder, "out");
  await defaultBuild();
  const end = await bootgate(["build", "--out", out]);
  expect(end.stderr).toContain("PASSED");
  const { sources } = await resultIn(out);
  const { sha256 } = sources.find((source) => source.name === "busybox")!;
  const downloads = join(suiteCache, "bootgate", "downloads");
  for (const name of await readdir(downloads)) {
    const path = join(downloads, name);
    if ((await sha256OfFile(path)) === sha256) archive = path;
  }
}, 1_200_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Every file of a tree with its content, as one text. */
function fingerprint(tree: string): string {
  const list = "find . -type f -not -path './.git/*' -print0 | sort -z | xargs -0 sha256sum";
  return execFileSync("sh", ["-c", list], { cwd: tree, encoding: "utf8", maxBuffer: 1 << 26 });
}

describe("a folder that was built in place", () => {
  it.each(["plain", "git"])(
    "(%s) is built from a copy, and is not touched",
    async (kind) => {
      const tree = join(folder, `busybox-${kind}`);
      await mkdir(tree);
      execFileSync("tar", ["-xf", archive, "-C", tree, "--strip-components=1"]);
      if (kind === "git") {
        const git = (...args: string[]) =>
          execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], {
            cwd: tree,
            stdio: "ignore",
          });
        git("init");
        git("add", "--all");
        git("commit", "-m", "tree");
      }
      execFileSync("make", ["defconfig"], { cwd: tree, stdio: "ignore" });
      execFileSync("make", ["libbb/appletlib.o"], { cwd: tree, stdio: "ignore" });
      const before = fingerprint(tree);
      const out = join(folder, `out-${kind}`);
      const end = await bootgate(["build", "--busybox", tree, "--out", out]);
      expect(end.stderr).toContain("PASSED");
      expect(fingerprint(tree)).toBe(before);
      expect(hitsOf(await resultIn(out))).toMatchObject({ kernel: true, busybox: false });
      const again = await bootgate(["build", "--busybox", tree, "--out", out]);
      expect(again.code).toBe(0);
      expect(hitsOf(await resultIn(out))).toMatchObject({ kernel: true, busybox: true });
    },
    600_000,
  );

  it("that is no BusyBox is refused before anything is built", async () => {
    const tree = join(folder, "empty");
    await mkdir(tree);
    await writeFile(join(tree, "README"), "nothing");
    const end = await bootgate(["build", "--busybox", tree, "--out", join(folder, "never")]);
    expect(end.code).toBe(2);
    expect(end.stderr).toContain(tree);
  });
});

describe("an archive on disk", () => {
  it("is known by its hash, whatever its name: the same archive elsewhere compiles nothing", async () => {
    const copy = join(folder, "some archive");
    await cp(archive, copy);
    const out = join(folder, "out-archive");
    const end = await bootgate([
      "build",
      "--busybox",
      `${copy}#sha256=${await sha256OfFile(copy)}`,
      "--out",
      out,
    ]);
    expect(end.stderr).toContain("PASSED");
    expect(hitsOf(await resultIn(out))).toMatchObject({ busybox: true });
  });

  it("with another hash than was asked for is refused, and nothing is unpacked", async () => {
    const out = join(folder, "out-wrong");
    const end = await bootgate(["build", "--busybox", `${archive}#sha256=${"0".repeat(64)}`, "--out", out]);
    expect(end.code).toBe(3);
    expect(end.stderr).toContain("source-rejected");
  });
});
