import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Watch } from "../../../src/boot/watch.ts";

const folder = new URL("../../fixtures/console/", import.meta.url).pathname;

/** Reads a recorded console in reads of `size` bytes, and then falls silent. */
function watched(bytes: Buffer, size = 61): Watch {
  const watch = new Watch(() => 0);
  for (let at = 0; at < bytes.length; at += size) watch.push(bytes.subarray(at, at + size));
  watch.considerPartial();
  return watch;
}

const recorded = (name: string) => watched(readFileSync(`${folder}${name}.log`));
const typed = (text: string) => watched(Buffer.from(`[    0.000000] Linux version 6.12.0\r\n${text}`));

/** Recorded with the project's own kernels (6.12.117) on QEMU 7.2; the middle of each is cut out. */
const fatal: Record<string, [string, string]> = {
  "no-rootfs": ["no-rootfs", "VFS: Unable to mount root fs on unknown-block(0,0)"],
  "initramfs-corrupt": [
    "initramfs-corrupt",
    "Initramfs unpacking failed: read error (then: VFS: Unable to mount root fs on unknown-block(0,0))",
  ],
  "init-died": ["init-died", "Attempted to kill init! exitcode=0x00000300"],
  "no-init": [
    "no-init",
    "No working init found (/init: not a program that this kernel can run: another architecture's, or damaged)",
  ],
  "panic-sysrq": ["panic", "Kernel panic: sysrq triggered crash"],
  bug: [
    "panic",
    "kernel BUG at init/bootgate_provoke.c:27 in bootgate_provoke_bug (then: Attempted to kill init! exitcode=0x0000000b)",
  ],
  null: [
    "panic",
    "BUG: kernel NULL pointer dereference in bootgate_provoke_null (then: Attempted to kill init! exitcode=0x00000009)",
  ],
  decompressor: ["kernel-silent", "the kernel was not unpacked: XZ-compressed data is corrupt"],
  "not-a-kernel-bios": [
    "bootloader-failed",
    "Syslinux: booting the kernel failed: its file is no kernel image",
  ],
  "no-kernel-file-bios": ["bootloader-failed", "Syslinux can't load bzImage: No such file"],
  "no-kernel-file-uefi": ["bootloader-failed", "systemd-boot found no entry with a kernel"],
  "kernel-cut-uefi": ["bootloader-failed", "systemd-boot: Error loading \\bzImage: Unsupported"],
  "kernel-damaged-uefi": [
    "bootloader-failed",
    "systemd-boot: Failed to execute Bootgate (\\bzImage): Load Error",
  ],
  "uefi-exception": ["bootloader-failed", "UEFI caught an exception on the way to the kernel: NMI Interrupt"],
  "no-boot-sector-bios": ["firmware-only", "SeaBIOS: No bootable device"],
  "no-loader-uefi": ["firmware-only", "UEFI found nothing to boot and started its own shell"],
};

describe("a shell that answers on a boot that went wrong", () => {
  test.each([
    ["Initramfs unpacking failed: invalid magic at start of compressed archive", "initramfs-corrupt"],
    ["Failed to execute /init (error -8)", "no-init"],
    ["Starting init: /sbin/init exists but couldn't execute it (error -13)", "no-init"],
  ])("%s → %s", (line, failureClass) => {
    const { crashes } = typed(`[    1.000000] ${line}\r\n~ # `);
    expect(crashes.fatal).toBeUndefined();
    expect(crashes.doubt).toMatchObject({ class: failureClass, line: 2 });
  });

  test("an old-style ramdisk is no initramfs, and no fault", () => {
    const line = "rootfs image is not initramfs (no cpio magic); looks like an initrd";
    expect(typed(`[    1.000000] ${line}\r\n~ # `).crashes.doubt).toBeUndefined();
  });
});

describe("recorded failures", () => {
  test.each(Object.entries(fatal))("%s", (name, [failureClass, title]) => {
    const crash = recorded(name).crashes.fatal;
    expect(crash).toMatchObject({ class: failureClass, title });
  });

  test("a warning has its function's name, and ends nothing", () => {
    const { crashes } = recorded("warn");
    expect(crashes.crashes).toMatchObject([{ class: "warning", title: "WARNING in bootgate_provoke_warn" }]);
    expect(crashes.fatal).toBeUndefined();
  });

  test("a panic's report is complete at its end line, and counted once", () => {
    for (const name of ["no-rootfs", "no-init", "init-died", "panic-sysrq"]) {
      expect(recorded(name).crashes.crashes).toMatchObject([{ complete: true }]);
    }
  });

  test("boots that are well, or say nothing, raise no alarm", () => {
    const quiet = readdirSync(folder).filter(
      (file) => !(file.replace(".log", "") in fatal) && file !== "warn.log",
    );
    expect(quiet.length).toBeGreaterThan(4);
    for (const file of quiet) {
      expect([file, watched(readFileSync(folder + file)).crashes.crashes]).toEqual([file, []]);
    }
  });

  test("the states of a boot are seen on each path", () => {
    const statesIn = (name: string) => recorded(name).timeline.moments.map((moment) => moment.state);
    for (const path of ["direct", "bios", "uefi"]) {
      expect(statesIn(`good-${path}`)).toEqual(["first-byte", "firmware", "boot-loader", "kernel", "init"]);
    }
  });
});

describe("who says it (CASES 23)", () => {
  test("a panic in a program's words is none where the kernel's lines have stamps", () => {
    expect(typed("Kernel panic - not syncing: just words\r\n").crashes.crashes).toEqual([]);
    expect(typed("~ # cat old.log: BUG: unable to handle page fault\r\n").crashes.crashes).toEqual([]);
  });

  test("a panic behind a prompt is the kernel's", () => {
    const watch = typed("~ # [    5.000000] Kernel panic - not syncing: sysrq triggered crash\r\n");
    expect(watch.crashes.fatal?.title).toBe("Kernel panic: sysrq triggered crash");
  });

  test("a kernel without stamps is believed too", () => {
    const watch = watched(
      Buffer.from("Linux version 6.12.0\r\nKernel panic - not syncing: Fatal exception\r\n"),
    );
    expect(watch.crashes.fatal?.class).toBe("panic");
  });

  test("what was dismissed is gone, and the next one is seen", () => {
    const watch = typed("[    5.000000] Kernel panic - not syncing: words\r\n");
    watch.crashes.dismiss(watch.crashes.fatal!);
    expect(watch.crashes.fatal).toBeUndefined();
    watch.push(Buffer.from("[    6.000000] Kernel panic - not syncing: real\r\n"));
    expect(watch.crashes.fatal?.title).toBe("Kernel panic: real");
  });

  test("a boot loader's words mean nothing once the kernel speaks", () => {
    expect(
      typed("Booting kernel failed: Invalid argument\r\nNo bootable device.\r\n").crashes.crashes,
    ).toEqual([]);
  });
});

describe("titles", () => {
  const line = (text: string) => `[    1.000000] ${text}\r\n`;
  test.each([
    [
      [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "RIP: 0010:foo.constprop.0+0x1/0x2",
      ],
      "BUG: kernel NULL pointer dereference in foo",
    ],
    [
      ["BUG: unable to handle page fault for address: ffffffffdeadbeef", "RIP: 0010:bar+0x1/0x2"],
      "BUG: unable to handle page fault in bar",
    ],
    [["WARNING: CPU: 0 PID: 1 at mm/x.c:12 baz+0x10/0x20"], "WARNING in baz"],
    [["WARNING: mm/x.c:12 at baz+0x10/0x20, CPU#0: swapper/0/1"], "WARNING in baz"],
    [
      [
        "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
        "RIP: 0010:qux+0x1/0x2",
      ],
      "general protection fault in qux",
    ],
    [
      [
        "BUG: sleeping function called from invalid context at x.c:1",
        "Call Trace:",
        " dump_stack+0x1/0x2",
        " __might_resched+0x1/0x2",
        " quux+0x1/0x2",
      ],
      "BUG: sleeping function called from invalid context at x.c:1 in quux",
    ],
  ])("%j", (lines, title) => {
    expect(typed(lines.map(line).join("")).crashes.crashes[0]?.title).toBe(title);
  });

  test("a panic for an oops has the oops' title", () => {
    const watch = typed(
      [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "RIP: 0010:foo+0x1/0x2",
        "---[ end trace 0000000000000000 ]---",
        "Kernel panic - not syncing: Fatal exception",
        "Rebooting in 1 seconds..",
      ]
        .map(line)
        .join(""),
    );
    expect(watch.crashes.fatal).toMatchObject({
      class: "panic",
      title: "BUG: kernel NULL pointer dereference in foo (then: Kernel panic: Fatal exception)",
      complete: true,
    });
  });
});

test("a storm of output costs bounded memory and little time", () => {
  const watch = new Watch(() => 0);
  watch.push(Buffer.from("[    0.000000] Linux version 6.12.0\r\n"));
  const chunk = Buffer.from("[    1.000000] storm of words, and ::error:: words\r\n".repeat(1300));
  const started = performance.now();
  for (let n = 0; n < 200; n++) watch.push(chunk);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(watch.recent.last(1000).length).toBeLessThanOrEqual(400);
  expect(watch.text.length).toBeLessThan(40_000);
});
