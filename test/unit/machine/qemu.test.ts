import { describe, expect, test } from "vitest";
import {
  architectureOf,
  architectures,
  bootPathOf,
  hostArchitecture,
} from "../../../src/machine/architectures.ts";
import {
  commandByHand,
  type Machine,
  qemuArguments,
  quoteOption,
  shellQuoted,
} from "../../../src/machine/qemu.ts";

const direct: Machine = {
  arch: "x86_64",
  path: "direct",
  accel: "tcg",
  memory: "512M",
  cpus: 1,
  kernel: "/out/bzImage",
  initramfs: "/out/initramfs.cpio",
  append: "console=ttyS0",
  network: "none",
  extra: [],
};

describe("QEMU's command line", () => {
  test("a direct boot attaches kernel and initramfs and nothing that was not asked for", () => {
    expect(qemuArguments(direct, { kind: "qmp", socket: "/tmp/q" })).toEqual(
      [
        "-nodefaults -no-user-config -machine pc,graphics=off -accel tcg -cpu max -smp 1 -m 512M",
        "-display none -vga std -kernel /out/bzImage -initrd /out/initramfs.cpio -append console=ttyS0",
        "-nic none -action reboot=shutdown,shutdown=pause -chardev stdio,id=console,signal=off",
        "-serial chardev:console -chardev socket,id=qmp,path=/tmp/q,server=on,wait=off",
        "-mon chardev=qmp,mode=control -S",
      ].flatMap((line) => line.split(" ")),
    );
  });

  test("UEFI attaches the firmware and the disk, and writes to neither", () => {
    const args = qemuArguments(
      {
        ...direct,
        path: "uefi",
        disk: { path: "/out/boot.img", format: "raw" },
        firmware: { code: "/fw/code", vars: "/fw/vars" },
      },
      { kind: "terminal" },
    );
    expect(args).toContain("if=pflash,unit=0,format=raw,readonly=on,file=/fw/code");
    expect(args).toContain("if=pflash,unit=1,format=raw,snapshot=on,file=/fw/vars");
    expect(args).toContain("if=none,id=disk0,format=raw,snapshot=on,file=/out/boot.img");
    expect(args).not.toContain("-kernel");
    expect(args.join(" ")).toContain("-serial mon:stdio");
  });

  test("a comma in a path does not become another option", () => {
    expect(quoteOption("/a,readonly=off")).toBe("/a,,readonly=off");
    const args = qemuArguments(
      { ...direct, path: "bios", disk: { path: "/a,b.img", format: "qcow2" } },
      { kind: "terminal" },
    );
    expect(args).toContain("if=none,id=disk0,format=qcow2,snapshot=on,file=/a,,b.img");
  });

  test("what the request adds comes last, so that it wins", () => {
    const args = qemuArguments({ ...direct, extra: ["-m", "1G"] }, { kind: "terminal" });
    expect(args.slice(-2)).toEqual(["-m", "1G"]);
  });

  test("the command by hand can be pasted into a shell", () => {
    const command = commandByHand({ ...direct, append: "console=ttyS0 it's" });
    expect(command[0]).toBe("qemu-system-x86_64");
    expect(shellQuoted(command)).toContain(`-append 'console=ttyS0 it'\\''s'`);
    expect(shellQuoted(command)).not.toContain("-S");
  });
});

describe("the architecture table", () => {
  test("every default boot path of every architecture is in its table of paths", () => {
    for (const entry of Object.values(architectures)) {
      for (const path of entry.defaultPaths) expect(bootPathOf(entry, path)).toBeDefined();
    }
  });

  test("an unknown name is refused, naming the known ones; a name of Object's own is unknown too", () => {
    expect(() => architectureOf("vax")).toThrow(/vax.*x86_64/);
    expect(() => architectureOf("constructor")).toThrow(/constructor/);
    expect(() => bootPathOf(architectureOf("x86_64"), "floppy" as never)).toThrow(/floppy/);
  });

  test("the host's architecture is found by Node's name for it", () => {
    expect(hostArchitecture("x64")?.name).toBe("x86_64");
    expect(hostArchitecture("mips")).toBeUndefined();
  });
});
