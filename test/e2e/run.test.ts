/** The main job, from the bundle: a real kernel and BusyBox are built, and three real boots are judged. */
import { execFileSync } from "node:child_process";
import {
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256OfFile } from "../../src/host/files.ts";
import { resultSchema } from "../../src/report/result.ts";
import { bootgate, type CliEnd, defaultBuild, hitsOf, resultIn, root, suiteCache } from "../support/cli.ts";

let folder: string;
let out: string;
let first: CliEnd;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bootgate-e2e-"));
  out = join(folder, "out");
  await defaultBuild();
  first = await bootgate(["run", "--out", out, "--json"]);
}, 1_200_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const expected = [
  ...["SHA256SUMS", "System.map", "boot.img", "busybox", "busybox.config", "bzImage"],
  ...["dmesg-bios.log", "dmesg-direct.log", "dmesg-uefi.log"],
  ...["initramfs.cpio.zst", "junit.xml", "kernel.config", "result.json", "sbom.cdx.json"],
  ...["screen-bios.png", "screen-direct.png", "screen-uefi.png"],
  ...["serial-bios.log", "serial-direct.log", "serial-uefi.log", "summary.md", "vmlinux"],
];

describe("bootgate run", () => {
  it("passes all three boots, with exit code 0", () => {
    expect(first.stderr).toContain("PASSED");
    expect(first.code).toBe(0);
  });

  it("leaves a result that its schema describes, the same on stdout as in the file", async () => {
    const result = await resultIn(out);
    expect(v.safeParse(resultSchema, result).issues).toBeUndefined();
    expect(JSON.parse(first.stdout)).toEqual(result);
    expect(result.boots.map((boot) => [boot.path, boot.verdict.class, boot.tainted])).toEqual([
      ["direct", "passed", 0],
      ["bios", "passed", 0],
      ["uefi", "passed", 0],
    ]);
    for (const boot of result.boots) {
      const states = boot.timeline.map((entry) => entry.state);
      expect(states).toEqual(expect.arrayContaining(["kernel", "prompt", "probe"]));
    }
  });

  it("leaves every file of the contract, with checksums that are true", async () => {
    const names = (await readdir(out)).filter((name) => !["logs", ".bootgate"].includes(name)).sort();
    expect(names).toEqual([...expected].sort());
    execFileSync("sha256sum", ["--check", "--quiet", "SHA256SUMS"], { cwd: out });
    for (const name of names.filter((entry) => entry.endsWith(".png"))) {
      expect((await readFile(join(out, name))).subarray(1, 4).toString()).toBe("PNG");
    }
  });

  it("has a kernel in which no program that happens to be installed here has left a trace", async () => {
    const config = await readFile(join(out, "kernel.config"), "utf8");
    expect(config).toContain("CONFIG_CC_VERSION_TEXT");
    expect(config).not.toMatch(/^CONFIG_(RUSTC|PAHOLE)_VERSION=[1-9]/m);
  });

  it("unpacks and compiles nothing the second time, and gives the same bytes", async () => {
    const again = join(folder, "again");
    const second = await bootgate(["run", "--out", again]);
    expect(second.code).toBe(0);
    const [before, after] = [await resultIn(out), await resultIn(again)];
    expect(hitsOf(after)).toEqual({ kernel: true, busybox: true, initramfs: true, disk: true });
    expect(after.artifacts).toEqual(before.artifacts);
    // make writes its whole output there; no folder, no make.
    expect(await readdir(join(again, "logs")).catch(() => "none")).toBe("none");
    // Most of it is UEFI's boot. How fast it is alone is for `npm start` to show: here other tests share the cores.
    expect(second.ms).toBeLessThan(60_000);
  });

  it("is quiet in a pipe: no colours, no redrawing, stdout empty without --json", async () => {
    const quiet = await bootgate(["run", "--out", join(folder, "quiet"), "--boot", "direct"]);
    expect(quiet.stdout).toBe("");
    expect(quiet.stderr).not.toContain("\u001b");
    expect(quiet.stderr.split("\n").length).toBeLessThan(25);
  });
});

describe("what changes rebuilds just what depends on it", () => {
  let cache: string;

  /** A cache that holds the first run's stages and nothing else, with its downloads and compiled output. */
  beforeAll(async () => {
    cache = await mkdtemp(join(suiteCache, "changes-"));
    const [from, to] = [join(suiteCache, "bootgate"), join(cache, "bootgate")];
    await mkdir(join(to, "entries"), { recursive: true });
    const { stages } = await resultIn(out);
    const kept = stages.map((stage) => join("entries", `${stage.name}-${stage.key}`));
    const beside = (await readdir(from)).filter((name) => !["entries", "making"].includes(name));
    for (const name of [...beside, ...kept]) execFileSync("cp", ["-al", join(from, name), join(to, name)]);
  });
  afterAll(() => rm(cache, { recursive: true, force: true }));

  async function hits(...args: string[]) {
    const changed = await mkdtemp(join(folder, "changed-"));
    const end = await bootgate(["build", "--out", changed, ...args], { cache });
    expect(end.stderr).toContain("PASSED");
    return hitsOf(await resultIn(changed));
  }

  it("nothing: nothing", async () => {
    expect(await hits()).toEqual({ kernel: true, busybox: true, initramfs: true, disk: true });
  });

  it("one Kconfig symbol: kernel and disk", async () => {
    expect(await hits("--kernel-fragments", "CONFIG_LOG_BUF_SHIFT=18")).toEqual({
      ...{ kernel: false, busybox: true, initramfs: true, disk: false },
    });
  }, 600_000);

  it("one overlay file: initramfs and disk", async () => {
    const overlay = join(folder, "overlay");
    await mkdir(join(overlay, "etc"), { recursive: true });
    await writeFile(join(overlay, "etc", "motd"), "hello\n");
    const both = { kernel: true, busybox: true, initramfs: false, disk: false };
    expect(await hits("--overlay", overlay)).toEqual(both);
    expect(await hits("--overlay", overlay)).toEqual({
      kernel: true,
      busybox: true,
      initramfs: true,
      disk: true,
    });
    await writeFile(join(overlay, "etc", "motd"), "hello!\n");
    expect(await hits("--overlay", overlay)).toEqual(both);
  });

  it("BusyBox's version: BusyBox, initramfs and disk", async () => {
    expect(await hits("--busybox", "1.37.0")).toEqual({
      ...{ kernel: true, busybox: false, initramfs: false, disk: false },
    });
  }, 600_000);
});

describe("a gate that fails", () => {
  /** Boots, expects exit code 1, and gives the boot and the seconds from its last state to the verdict. */
  async function failing(...args: string[]) {
    const evidence = await mkdtemp(join(folder, "failed-"));
    const end = await bootgate(["boot", "--out", evidence, ...args]);
    expect(end.code).toBe(1);
    const result = await resultIn(evidence);
    expect(result.outcome).toBe("failed");
    const boot = result.boots[0]!;
    expect((await stat(join(evidence, boot.console ?? "")).catch(() => undefined))?.isFile()).toBe(true);
    expect((await readFile(join(evidence, "summary.md"), "utf8")).length).toBeGreaterThan(100);
    const lastState = boot.timeline.at(-1)?.ms ?? 0;
    return {
      boot,
      result,
      silentFor: end.ms - lastState,
      text: await readFile(join(evidence, boot.console!), "utf8"),
    };
  }

  const kernel = () => ["--kernel-image", join(out, "bzImage")];
  const initramfs = () => ["--initramfs", join(out, "initramfs.cpio.zst")];

  async function damagedDisk(name: string, damage: (image: string) => Promise<void> | void): Promise<string> {
    const image = join(folder, name);
    await copyFile(join(out, "boot.img"), image);
    await damage(image);
    return image;
  }

  it("rdinit=/nope → no-rootfs: the kernel falls through to mounting a root that is not there", async () => {
    const { boot, silentFor } = await failing(...kernel(), ...initramfs(), "--append", "rdinit=/nope");
    expect(boot.verdict.class).toBe("no-rootfs");
    expect(silentFor).toBeLessThan(10_000);
    expect(boot.verdict.excerpt.map((line) => line.text).join("\n")).toContain("Unable to mount root fs");
  });

  it.each([
    ["compressed", "initramfs.cpio.zst"],
    ["plain", "initramfs.cpio"],
  ])("a truncated initramfs (%s) → initramfs-corrupt", async (_, name) => {
    const cut = join(folder, `cut-${name}`);
    if (name.endsWith(".zst")) await copyFile(join(out, name), cut);
    else execFileSync("zstd", ["-d", "-q", "-f", join(out, `${name}.zst`), "-o", cut]);
    await truncate(cut, Math.floor((await stat(cut)).size / 2));
    const { boot, silentFor } = await failing(...kernel(), "--initramfs", cut);
    expect(boot.verdict.class).toBe("initramfs-corrupt");
    expect(silentFor).toBeLessThan(10_000);
  });

  it("an archive cut short behind all that a shell needs → initramfs-corrupt, though the shell answers", async () => {
    const cut = join(folder, "cut-late.cpio");
    execFileSync("zstd", ["-d", "-q", "-f", join(out, "initramfs.cpio.zst"), "-o", cut]);
    await truncate(cut, (await stat(cut)).size - 700);
    const { boot } = await failing(...kernel(), "--initramfs", cut);
    expect(boot.verdict).toMatchObject({ class: "initramfs-corrupt", reached: "settled" });
  });

  it("garbage behind the archive → initramfs-corrupt, though the shell answers", async () => {
    const long = join(folder, "long.cpio.zst");
    const whole = await readFile(join(out, "initramfs.cpio.zst"));
    await writeFile(long, Buffer.concat([whole, Buffer.alloc(3000, "garbage")]));
    const { boot } = await failing(...kernel(), "--initramfs", long);
    expect(boot.verdict).toMatchObject({ class: "initramfs-corrupt", reached: "settled" });
  });

  it("an /init that can't be run → no-init, though the kernel finds BusyBox's init and that gives a shell", async () => {
    const init = join(folder, "not-a-program");
    await writeFile(init, "this is no program\n");
    const built = join(folder, "bad-init");
    expect((await bootgate(["build", "--init", init, "--out", built])).code).toBe(0);
    const packed = join(built, "initramfs.cpio.zst");
    const { boot } = await failing(...kernel(), "--initramfs", packed);
    expect(boot.verdict.class).toBe("no-init");
    expect(boot.verdict.title).toContain("/init");
  });

  it.each(["bios", "uefi"])("a wiped boot sector (%s) → firmware-only", async (path) => {
    const image = await damagedDisk(`wiped-${path}.img`, async (file) => {
      const handle = await open(file, "r+");
      await handle.write(Buffer.alloc(512), 0, 512, 0);
      await handle.close();
    });
    const { boot, silentFor } = await failing("--disk", image, "--boot", path);
    expect(boot.verdict.class).toBe("firmware-only");
    expect(silentFor).toBeLessThan(10_000);
  });

  it.each([
    ["bios", "its first half zeroed", 0],
    ["uefi", "its first half zeroed", 0],
    ["bios", "damaged in the middle", 0.5],
    ["uefi", "damaged in the middle", 0.5],
  ])("a damaged kernel file (%s, %s) → bootloader-failed or kernel-silent", async (path, _how, from) => {
    const image = await damagedDisk(`damaged-${path}-${from}.img`, async (file) => {
      const broken = join(folder, `vmlinuz-${path}-${from}`);
      await copyFile(join(out, "bzImage"), broken);
      const { size } = await stat(broken);
      const handle = await open(broken, "r+");
      await handle.write(Buffer.alloc(Math.floor(size / 2) - 64), 0, undefined, Math.floor(size * from));
      await handle.close();
      execFileSync("mcopy", ["-o", "-i", file, broken, "::/vmlinuz"]);
    });
    const { boot, silentFor } = await failing("--disk", image, "--boot", path);
    expect(["bootloader-failed", "kernel-silent"]).toContain(boot.verdict.class);
    expect(silentFor).toBeLessThan(10_000);
  });

  it("leaves the images that it boots as they were", async () => {
    const before = await sha256OfFile(join(out, "boot.img"));
    expect((await bootgate(["boot", "--disk", join(out, "boot.img"), "--out", out])).code).toBe(0);
    expect(await sha256OfFile(join(out, "boot.img"))).toBe(before);
  });
});

describe("kernel reports at boot, on the minimal profile", () => {
  const reports = [
    ["warn", "warning", /WARNING/, "bootgate_provoke_warn"],
    ["bug", "panic", /BUG|invalid opcode/i, "bootgate_provoke_bug"],
    ["null", "panic", /NULL pointer/, "bootgate_provoke_null"],
  ] as const;
  let images: string;

  beforeAll(async () => {
    images = join(folder, "provoked");
    const patch = join(root, "test", "fixtures", "provoke.patch");
    const end = await bootgate(["build", "--out", images, "--kernel-patches", patch]);
    expect(end.stderr).toContain("PASSED");
  }, 600_000);

  it.each(reports)(
    "%s is seen, with the function's name in the log",
    async (kind, failureClass, words, name) => {
      const evidence = join(folder, `report-${kind}`);
      const end = await bootgate([
        ...["boot", "--out", evidence, "--kernel-image", join(images, "bzImage")],
        ...["--initramfs", join(images, "initramfs.cpio.zst"), "--append", `bootgate_provoke=${kind}`],
      ]);
      expect(end.code).toBe(1);
      const { verdict } = (await resultIn(evidence)).boots[0]!;
      expect(verdict.class).toBe(failureClass);
      expect(verdict.title).toMatch(words);
      expect(verdict.title).toContain(name);
      // The compiler may have made a clone of it: bootgate_provoke_null.constprop.0+0x4/0x10.
      const console = await readFile(join(evidence, "serial-direct.log"), "latin1");
      expect(console).toMatch(new RegExp(`RIP: 0010:${name}[.\\w]*\\+0x`));
    },
  );

  it("the same kernel passes when nothing is provoked", async () => {
    const end = await bootgate([
      ...["boot", "--out", join(folder, "report-none"), "--kernel-image", join(images, "bzImage")],
      ...["--initramfs", join(images, "initramfs.cpio.zst")],
    ]);
    expect(end.code).toBe(0);
  });
});
