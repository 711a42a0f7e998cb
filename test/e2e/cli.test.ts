/** The command line as a person meets it: help, wrong requests, exit codes, signals, both Nodes. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inputs } from "../../src/spec/inputs.ts";
import { bootgate, cli, defaultBuild, suiteCache } from "../support/cli.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bootgate-cli-"));
  // What is interrupted, and what fills a disk, starts from the suite's downloads.
  await defaultBuild();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("help", () => {
  it("shows every flag of the table and an example", async () => {
    const { stdout, code } = await bootgate(["run", "--help"]);
    expect(code).toBe(0);
    for (const [name, input] of Object.entries(inputs)) {
      if ((input.commands as readonly string[]).includes("run")) expect(stdout).toContain(`--${name} `);
    }
    expect(stdout).toContain("$ bootgate run");
  });

  it("completes commands and the values of a flag", async () => {
    const commands = await bootgate(["complete", "--", "d"]);
    expect(commands.stdout).toContain("doctor");
    const values = await bootgate(["complete", "--", "run", "--accel", ""]);
    expect(values.stdout).toContain("kvm");
    expect((await bootgate(["complete", "bash"])).stdout).toContain("bootgate");
  });
});

describe("a wrong request", () => {
  it.each([
    [["run", "--profil", "tiny"], "--profile"],
    [["run", "--profile", "minmal"], "did you mean minimal?"],
    [["rnu"], "run"],
    [["run", "extra"], "too many arguments"],
    [["run", "--kernel", "6.12.99999"], "6.12"],
    [["run", "--kernel", "./nowhere"], "./nowhere"],
    [["run", "--overlay", "/no/such/folder"], "overlay: /no/such/folder"],
    [["run", "--kernel-patches", "no-*.patch"], "no file matches"],
    [["run", "--kernel-fragments", "CONFIG_A:y"], "CONFIG_A:y"],
    [["run", "--append", "a\nb"], "append"],
    [["boot"], "nothing to boot"],
    [["boot", "--initramfs", cli], "needs kernel-image"],
    [["boot", "--disk", cli, "--boot", "direct"], "direct"],
    [["cache", "prune", "--keep", "much"], "keep"],
  ])("%j ends with exit code 2, before anything starts", async (args, words) => {
    const out = join(folder, "never");
    const end = await bootgate([...args, ...(["run", "boot"].includes(args[0]!) ? ["--out", out] : [])]);
    expect(end.code).toBe(2);
    expect(end.stderr).toContain(words);
    expect(end.stderr).not.toMatch(/^\s+at /m);
    expect(existsSync(out)).toBe(false);
  });
});

describe("an out folder that can't be", () => {
  it.each([
    ["/proc/bootgate", "can't be written to"],
    ["/etc/passwd", "is a file, not a folder"],
    ["/etc/passwd/out", "can't be written to"],
  ])("%s: refused at once", async (out, words) => {
    const end = await bootgate(["build", "--out", out]);
    expect(end.code).toBe(2);
    expect(end.stderr).toContain(words);
    expect(end.ms).toBeLessThan(20_000);
  });
});

describe("an out folder that is somebody's", () => {
  it("is refused when a run would overwrite or remove what Bootgate did not make", async () => {
    const tree = join(folder, "a kernel tree");
    await mkdir(tree);
    await writeFile(join(tree, "vmlinux"), "hours of work");
    const end = await bootgate(["build", "--out", tree]);
    expect([end.code, end.stderr.includes("vmlinux, which Bootgate did not make")]).toEqual([2, true]);
    expect(await readdir(tree)).toEqual(["vmlinux"]);
    expect(readFileSync(join(tree, "vmlinux"), "utf8")).toBe("hours of work");
  });
});

describe("doctor", () => {
  it("says what is there, and what /dev/kvm is really worth", async () => {
    const { stdout, code } = await bootgate(["doctor", "--json"]);
    expect(code).toBe(0);
    const diagnosis = JSON.parse(stdout);
    expect(diagnosis.needs.every((need: { met: boolean }) => need.met)).toBe(true);
    expect(["kvm", "tcg"]).toContain(diagnosis.accelerator.accel);
    expect(diagnosis.accelerator.reason.length).toBeGreaterThan(20);
  });
});

describe("cache", () => {
  it("names a damaged entry with exit code 3, and prunes", async () => {
    const cache = join(folder, "cache");
    const entry = join(cache, "bootgate", "entries", `kernel-${"0".repeat(64)}`);
    await mkdir(entry, { recursive: true });
    await writeFile(join(entry, "file"), "x");
    const file = { name: "file", sha256: "1".repeat(64), size: 1 };
    await writeFile(
      join(entry, "entry.json"),
      JSON.stringify({ stage: "kernel", key: "0".repeat(64), value: null, files: [file] }),
    );
    expect((await bootgate(["cache", "ls"], { cache })).stdout).toContain("1 entries");
    const verified = await bootgate(["cache", "verify"], { cache });
    expect([verified.code, verified.stdout.includes("another SHA-256")]).toEqual([3, true]);
    expect((await bootgate(["cache", "prune"], { cache })).code).toBe(0);
    expect(await readdir(join(cache, "bootgate", "entries"))).toEqual([]);
  });
});

/** Programs whose command line or working folder is below a folder. */
function processesIn(place: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return line.includes(place) && !line.includes("vitest") ? [line] : [];
      } catch {
        return [];
      }
    });
}

async function until(condition: () => boolean, ms: number): Promise<boolean> {
  const end = Date.now() + ms;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  return condition();
}

describe("a run that is interrupted", () => {
  /** A cold BusyBox build in a cache of its own; `act` strikes while make runs. */
  async function struck(act: (child: ChildProcess) => void) {
    const cache = await mkdtemp(join(folder, "struck-"));
    execFileSync("cp", ["-r", "--reflink=auto", join(suiteCache, "bootgate", "downloads"), join(cache)]);
    await mkdir(join(cache, "bootgate"));
    execFileSync("mv", [join(cache, "downloads"), join(cache, "bootgate")]);
    let struckAt = 0;
    const end = await bootgate(["build", "--out", join(cache, "out")], {
      cache,
      onStart: (child) => {
        void until(() => processesIn(cache).some((line) => line.includes("make")), 60_000).then(() => {
          struckAt = performance.now();
          act(child);
        });
      },
    });
    return { cache, end, ms: performance.now() - struckAt };
  }

  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s: says so, ends all it started within 7.5 s, exit code 130",
    async (name) => {
      const { cache, end, ms } = await struck((child) => child.kill(name));
      expect(end.code).toBe(130);
      expect(end.stderr).toContain("cancelled");
      expect(ms).toBeLessThan(7500);
      expect(await until(() => processesIn(cache).length === 0, 1000)).toBe(true);
      expect(await readdir(join(cache, "bootgate", "making"))).toEqual([]);
    },
  );

  it("kill -9: no make lives on, and the next run recovers", async () => {
    const { cache } = await struck((child) => child.kill("SIGKILL"));
    expect(await until(() => processesIn(cache).length === 0, 15_000)).toBe(true);
    expect((await readdir(join(cache, "bootgate", "making"))).length).toBeGreaterThan(0);
    await bootgate(["run", "--out", join(cache, "out"), "--image-size", "1M", "--kernel", "./nowhere"], {
      cache,
    });
    expect(
      (await bootgate(["boot", "--disk", cli, "--out", join(cache, "out"), "--timeout", "1"], { cache }))
        .code,
    ).not.toBe(0);
    expect(await readdir(join(cache, "bootgate", "making"))).toEqual([]);
  });
});

describe("a full disk", () => {
  const root = process.getuid?.() === 0;

  /** A real file system of that size, mounted as a cache. */
  async function onSmallDisk(size: string, prepare: (cache: string) => void) {
    const cache = await mkdtemp(join(folder, "small-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", cache]);
    try {
      prepare(cache);
      const end = await bootgate(["build", "--out", join(folder, "full")], { cache });
      return { ...end, left: await readdir(join(cache, "bootgate", "making")) };
    } finally {
      execFileSync("umount", ["--lazy", cache]);
    }
  }

  // Without root no small file system can be mounted: skipped, and counted as such.
  it.runIf(root).each([
    ["the download", "30M", () => {}],
    [
      "unpacking",
      "400M",
      (cache: string) => {
        mkdirSync(join(cache, "bootgate"));
        for (const name of ["downloads", "sources"]) {
          execFileSync("cp", ["-r", join(suiteCache, "bootgate", name), join(cache, "bootgate")]);
        }
      },
    ],
  ])("at %s: kind world, with the free space named, and nothing half-made left", async (_, size, prepare) => {
    const { code, stderr, left } = await onSmallDisk(size, prepare);
    expect(stderr).toContain("disk-full");
    expect(stderr).toMatch(/\d+ [kMG]?B (are|is) free|free:? \d/);
    expect(code).toBe(3);
    expect(left).toEqual([]);
  });
});

describe("the bundle", () => {
  it.each([20, 24])("runs on Node %i", async (major) => {
    const node = await nodeOf(major);
    expect(execFileSync(node, ["--version"], { encoding: "utf8" })).toMatch(new RegExp(`^v${major}\\.`));
    const end = await bootgate(["doctor"], { node });
    expect(end.stderr).toBe("");
    expect(end.code).toBe(0);
  });
});

/** A Node of that major version: the one that started the tests, the one that runs them, or one from npm. */
async function nodeOf(major: number): Promise<string> {
  const starts = (path: string | undefined) =>
    path !== undefined && execFileSync(path, ["--version"], { encoding: "utf8" }).startsWith(`v${major}.`);
  for (const path of [process.execPath, process.env.npm_node_execpath]) if (starts(path)) return path!;
  const prefix = join(suiteCache, `node${major}`);
  const path = join(prefix, "node_modules", "node", "bin", "node");
  if (!existsSync(path)) {
    await mkdir(prefix, { recursive: true });
    await writeFile(join(prefix, "package.json"), JSON.stringify({ allowScripts: { node: true } }));
    execFileSync("npm", ["install", "--no-save", "--no-audit", `node@${major}`], {
      cwd: prefix,
      stdio: "ignore",
    });
  }
  return path;
}
