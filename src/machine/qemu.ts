/**
 * QEMU's command line as a pure function of a plain value. Nothing of the user's configuration enters
 * (-no-user-config), nothing that was not asked for is attached (-nodefaults), and no image is written to (snapshot=on).
 */
import {
  type Accelerator,
  architectureOf,
  type BootPath,
  bootPathOf,
  type FirmwareFiles,
} from "./architectures.ts";

export interface Disk {
  readonly path: string;
  /** `iso` is attached as a CD-ROM. */
  readonly format: "raw" | "qcow2" | "iso";
}

/** One virtual machine, described whole. Paths are absolute. */
export interface Machine {
  readonly arch: string;
  readonly path: BootPath;
  readonly accel: Accelerator;
  /** QEMU's -m: a number of MiB, or with a suffix: `512M`, `2G`. */
  readonly memory: string;
  readonly cpus: number;
  /** QEMU's -cpu; the architecture's entry says the default. */
  readonly cpu?: string;
  /** For paths that attach a kernel. */
  readonly kernel?: string;
  readonly initramfs?: string;
  /** The whole kernel command line; only for paths that attach a kernel (a disk carries its own). */
  readonly append?: string;
  readonly disk?: Disk;
  /** For the UEFI path. Neither file is written to. */
  readonly firmware?: FirmwareFiles;
  readonly network: "none" | "user";
  /** Added at the end, as they are. */
  readonly extra: readonly string[];
}

/** How this program holds on to the machine. A person who starts it by hand has the monitor on the terminal instead. */
export type Control =
  /** The console on stdin and stdout, QMP on a Unix socket; the machine waits for QMP's `cont`. */
  | { readonly kind: "qmp"; readonly socket: string }
  /** The console and QEMU's monitor on the terminal: Ctrl-A x ends it, Ctrl-A c switches. */
  | { readonly kind: "terminal" };

/** A value inside one of QEMU's comma-separated options: a comma is written twice. */
export function quoteOption(value: string): string {
  return value.replaceAll(",", ",,");
}

/**
 * The arguments for a machine.
 * @throws Failure `bad-request` for an unknown architecture or boot path
 */
export function qemuArguments(machine: Machine, control: Control): string[] {
  const architecture = architectureOf(machine.arch);
  const path = bootPathOf(architecture, machine.path);
  return [
    ...["-nodefaults", "-no-user-config"],
    ...["-machine", path.machine],
    ...["-accel", machine.accel],
    ...["-cpu", machine.cpu ?? architecture.cpu[machine.accel]],
    ...["-smp", String(machine.cpus)],
    ...["-m", machine.memory],
    ...["-display", "none", "-vga", "std"],
    ...(machine.firmware && path.firmware ? firmwareArguments(machine.firmware) : []),
    ...(path.attaches === "kernel" ? kernelArguments(machine) : []),
    ...(machine.disk ? diskArguments(machine.disk) : []),
    ...networkArguments[machine.network],
    // A guest that resets or powers off stays to be looked at; QMP says why it stopped (FACTS.md, "Booting").
    ...["-action", "reboot=shutdown,shutdown=pause"],
    ...controlArguments(control),
    ...machine.extra,
  ];
}

/** The command line that starts the same machine by hand. */
export function commandByHand(machine: Machine): string[] {
  return [architectureOf(machine.arch).qemu, ...qemuArguments(machine, { kind: "terminal" })];
}

/** A command line for a POSIX shell, quoted where it must be. */
export function shellQuoted(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

const networkArguments = {
  none: ["-nic", "none"],
  // An empty romfile: no option ROM, so no firmware waits for PXE.
  user: ["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile="],
} as const;

function kernelArguments(machine: Machine): string[] {
  return [
    ...(machine.kernel === undefined ? [] : ["-kernel", machine.kernel]),
    ...(machine.initramfs === undefined ? [] : ["-initrd", machine.initramfs]),
    ...(machine.append === undefined ? [] : ["-append", machine.append]),
  ];
}

function firmwareArguments(firmware: FirmwareFiles): string[] {
  return [
    "-drive",
    `if=pflash,unit=0,format=raw,readonly=on,file=${quoteOption(firmware.code)}`,
    // The variables are written to while it runs, and forgotten with the snapshot: every boot is a first boot.
    "-drive",
    `if=pflash,unit=1,format=raw,snapshot=on,file=${quoteOption(firmware.vars)}`,
  ];
}

function diskArguments(disk: Disk): string[] {
  const format = disk.format === "iso" ? "raw" : disk.format;
  return [
    "-drive",
    `if=none,id=disk0,format=${format},snapshot=on,file=${quoteOption(disk.path)}`,
    "-device",
    // The one disk that firmware, cloud kernels and our own kernel all have a driver for.
    `${disk.format === "iso" ? "ide-cd" : "virtio-blk-pci"},drive=disk0,bootindex=0`,
  ];
}

function controlArguments(control: Control): string[] {
  if (control.kind === "terminal") return ["-serial", "mon:stdio"];
  return [
    "-chardev",
    "stdio,id=console,signal=off",
    "-serial",
    "chardev:console",
    "-chardev",
    `socket,id=qmp,path=${quoteOption(control.socket)},server=on,wait=off`,
    "-mon",
    "chardev=qmp,mode=control",
    // Stopped until QMP listens, so that no event and no first byte is missed.
    "-S",
  ];
}
