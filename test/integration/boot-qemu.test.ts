/** Real QEMU, no built kernel: what firmware, a missing loader, a broken QEMU and a killed parent do. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootOnce } from "../../src/boot/boot.ts";
import type { BootPlan } from "../../src/boot/plan.ts";
import { createRunner, toolEnvironment } from "../../src/host/process.ts";
import { architectures } from "../../src/machine/architectures.ts";
import { canaryArguments, canaryElf, canaryTicksLog2, slowTicksLog2 } from "../../src/machine/canary.ts";
import type { Machine } from "../../src/machine/qemu.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "boot-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const log = { output: () => {}, progress: () => {} };

/** A context of its own folder; `programs` comes first in PATH. */
function context(name: string, options: { programs?: string; signal?: AbortSignal } = {}) {
  const signal = options.signal ?? new AbortController().signal;
  const path = [options.programs, process.env.PATH].filter(Boolean).join(":");
  return {
    folders: { cache: folder, temporary: folder, out: join(folder, name) },
    run: createRunner(toolEnvironment({ ...process.env, PATH: path }), signal),
    now: () => performance.now(),
    signal,
    logger: { info() {}, notice() {}, warning() {} },
  } as never;
}

function plan(machine: Partial<Machine>, more: Partial<BootPlan> = {}): BootPlan {
  return {
    machine: {
      ...{ arch: "x86_64", path: "bios", accel: "tcg", memory: "64M", cpus: 1, network: "none", extra: [] },
      ...machine,
    } as Machine,
    accelReason: "The test asked for it.",
    ...more,
  };
}

function file(name: string, content: string | Buffer, mode = 0o644): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  chmodSync(path, mode);
  return path;
}

function blankDisk(name: string): string {
  const path = file(name, "");
  truncateSync(path, 4 << 20);
  return path;
}

/** Processes whose command line holds `text`; not this one. */
function processes(text: string): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    });
}

async function until(condition: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return condition();
}

/** A QEMU of our own making, as a program of that name in a folder of its own. */
function fakeQemu(name: string, script: string): string {
  const programs = mkdtempSync(join(folder, `${name}-`));
  writeFileSync(join(programs, "qemu-system-x86_64"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return programs;
}

describe("the canary", () => {
  test("runs under TCG at a speed that counts as fast", async () => {
    const elf = file("canary.elf", canaryElf());
    const { run } = context("canary") as unknown as { run: ReturnType<typeof createRunner> };
    const exit = await run.start("qemu-system-x86_64", canaryArguments("tcg", "max", elf)).finished;
    const ticks = canaryTicksLog2(exit.code);
    expect(ticks).toBeDefined();
    expect(ticks).toBeLessThan(slowTicksLog2);
  });
});

describe("firmware that finds nothing", () => {
  test("a blank disk under SeaBIOS is firmware-only, within seconds, with log and picture", async () => {
    const disk = blankDisk("blank-bios.img");
    const boot = await bootOnce(plan({ disk: { path: disk, format: "raw" } }), context("blank-bios"), log);
    expect(boot.verdict).toMatchObject({ class: "firmware-only", kind: "failed", reached: "firmware" });
    expect(boot.verdict.excerpt.at(-1)?.text).toContain("No bootable device");
    expect(readFileSync(join(folder, "blank-bios", boot.console!), "latin1")).toContain("SeaBIOS");
    const picture = readFileSync(join(folder, "blank-bios", boot.screenshot!));
    expect(picture.subarray(1, 4).toString()).toBe("PNG");
    expect(processes(disk)).toEqual([]);
  });

  const firmware = architectures.x86_64!.firmware.find((files) => {
    try {
      return statSync(files.code).isFile() && statSync(files.vars).isFile();
    } catch {
      return false;
    }
  });

  test.skipIf(!firmware)("a blank disk under UEFI is firmware-only", async () => {
    const disk = { path: blankDisk("blank-uefi.img"), format: "raw" } as const;
    const boot = await bootOnce(
      plan({ path: "uefi", memory: "256M", disk, firmware: firmware! }),
      context("blank-uefi"),
      log,
    );
    expect(boot.verdict).toMatchObject({ class: "firmware-only", reached: "firmware" });
  });

  test("a boot sector that halts for good is judged in about a second, one that resets at once", async () => {
    const sector = (code: number[]) => {
      const bytes = Buffer.alloc(1 << 20);
      bytes.set(code);
      bytes.set([0x55, 0xaa], 510);
      return bytes;
    };
    const halt = file("halt.img", sector([0xfa, 0xf4, 0xeb, 0xfd])); // cli; hlt; jmp
    const reset = file("reset.img", sector([0xea, 0xf0, 0xff, 0x00, 0xf0])); // jmp f000:fff0
    const halted = await bootOnce(plan({ disk: { path: halt, format: "raw" } }), context("halt"), log);
    expect(halted.verdict.class).toBe("firmware-only");
    expect(halted.verdict.title).toContain("interrupts off");
    // SeaBIOS restarts through a reset of the machine, which is a reboot loop's first turn (CASES 20).
    const again = await bootOnce(plan({ disk: { path: reset, format: "raw" } }), context("reset"), log);
    expect(again.verdict.class).toBe("unexpected-reboot");
  });
});

describe("QEMU that fails", () => {
  test("an unknown option is qemu-failed, with QEMU's message as the excerpt", async () => {
    const boot = await bootOnce(plan({ extra: ["-no-such-option"] }), context("option"), log);
    expect(boot.verdict).toMatchObject({ class: "qemu-failed", kind: "world", reached: "qemu-started" });
    expect(boot.verdict.excerpt.map((line) => line.text).join("\n")).toContain("-no-such-option");
    expect(readdirSync(join(folder, "option"))).toContain("serial-bios.log");
  });

  test("a file that is no kernel is the content's failure, not QEMU's", async () => {
    const kernel = file("not-a-kernel", "hello\n".repeat(4000));
    const initramfs = file("some.cpio", "x");
    const boot = await bootOnce(plan({ path: "direct", kernel, initramfs }), context("nokernel"), log);
    expect(boot.verdict).toMatchObject({ class: "bootloader-failed", kind: "failed" });
  });

  test("a QEMU that dies by itself, and one that never listens and ignores SIGTERM, leave nothing behind", async () => {
    const dying = fakeQemu("dying", "echo out of cheese >&2; exit 7");
    const died = await bootOnce(plan({}), context("dying", { programs: dying }), log);
    expect(died.verdict).toMatchObject({ class: "qemu-failed" });
    expect(died.verdict.title).toContain("out of cheese");

    const stubborn = fakeQemu(
      "stubborn",
      `trap '' TERM INT; echo marker-of-${process.pid}; sleep 3333 & wait; sleep 3333`,
    );
    const boot = await bootOnce(plan({}), context("stubborn", { programs: stubborn }), log);
    expect(boot.verdict).toMatchObject({ class: "qemu-failed" });
    expect(processes(stubborn)).toEqual([]);
  });

  test("an image that changed while it was booted is not passed over", async () => {
    const disk = blankDisk("changing.img");
    const booting = bootOnce(plan({ disk: { path: disk, format: "raw" } }), context("changing"), log);
    setTimeout(() => writeFileSync(disk, Buffer.alloc(4 << 20, 1)), 400);
    await expect(booting).rejects.toMatchObject({ failureClass: "host-failed" });
  });
});

describe("a boot that is interrupted (CASES 16, 17)", () => {
  test("the abort signal ends QEMU at once, and the log so far is there", async () => {
    const controller = new AbortController();
    const disk = blankDisk("aborted.img");
    const cancelled = context("aborted", { signal: controller.signal });
    const booting = bootOnce(
      plan({ disk: { path: disk, format: "raw" }, extra: ["-boot", "menu=on,splash-time=60000"] }),
      cancelled,
      log,
    );
    setTimeout(() => controller.abort(), 1500);
    const started = performance.now();
    await expect(booting).rejects.toMatchObject({ failureClass: "cancelled" });
    expect(performance.now() - started).toBeLessThan(7500);
    expect(processes(disk)).toEqual([]);
    expect(readFileSync(join(folder, "aborted", "serial-bios.log"), "latin1")).toContain("SeaBIOS");
  });

  test.skipIf(!hasSetpriv())("SIGKILL of the parent leaves no QEMU behind", async () => {
    const disk = blankDisk("orphan.img");
    const script = file(
      "parent.ts",
      `import { createRunner, toolEnvironment } from ${JSON.stringify(new URL("../../src/host/process.ts", import.meta.url).pathname)};
       import { qemuArguments } from ${JSON.stringify(new URL("../../src/machine/qemu.ts", import.meta.url).pathname)};
       const run = createRunner(toolEnvironment(process.env), new AbortController().signal);
       const machine = ${JSON.stringify(plan({ disk: { path: disk, format: "raw" } }).machine)};
       run.start("qemu-system-x86_64", qemuArguments(machine, { kind: "qmp", socket: ${JSON.stringify(join(folder, "o"))} }));
       setInterval(() => {}, 1000);`,
    );
    const parent = spawn(process.execPath, [script], { stdio: "ignore" });
    const qemu = () => processes(disk);
    expect(await until(() => qemu().length > 0, 20_000)).toBe(true);
    parent.kill("SIGKILL");
    expect(await until(() => qemu().length === 0, 3000)).toBe(true);
  });
});

function hasSetpriv(): boolean {
  try {
    execFileSync("setpriv", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
