/**
 * What differs between architectures, one plain entry each. Everything else in the project reads these fields; a new
 * architecture is one more entry. Figures and file names: Linux' arch/<x>/Makefile, QEMU's and Debian's packages.
 */
import { Failure } from "../outcome.ts";

/** Hardware virtualisation, or QEMU's own translation of the guest's code. */
export type Accelerator = "kvm" | "tcg";

/** How the kernel gets into the machine. */
export type BootPath = "direct" | "bios" | "uefi" | "pvh";

/** What a boot path attaches to the machine. */
export interface BootPathEntry {
  /** `kernel`: kernel and initramfs handed to QEMU; `disk`: boot.img, found by the firmware. */
  readonly attaches: "kernel" | "disk";
  /** The kernel file that is handed over: the compressed image, or the ELF with its PVH note. */
  readonly kernelFile?: "image" | "vmlinux";
  /** QEMU's -machine. `graphics=off` makes SeaBIOS talk to the serial port (FACTS.md, "Booting"). */
  readonly machine: string;
  /** True when the UEFI firmware's flash is attached. */
  readonly firmware?: boolean;
}

/** A UEFI firmware: its code, and the variable store that goes with it. */
export interface FirmwareFiles {
  readonly code: string;
  readonly vars: string;
}

export interface Architecture {
  readonly name: string;
  /** Node's `process.arch` on such a host. */
  readonly nodeArch: string;
  /** The kernel's ARCH=. */
  readonly kernelArch: string;
  /** The bootable image in the kernel's build tree, and its name in out/. */
  readonly image: { readonly path: string; readonly name: string };
  readonly qemu: string;
  /** e_machine of user programs (elf.h). */
  readonly elfMachine: number;
  /** CROSS_COMPILE= where the host is another architecture. */
  readonly crossCompile: string;
  /** The device behind the serial port that the verdict is read from. */
  readonly serial: string;
  /**
   * The kernel arguments for a console on screen and serial port. `earlyprintk` makes the decompressor and the first
   * lines speak, so that a kernel which dies early is not a silent one.
   */
  readonly consoleArguments: string;
  /** In the order in which they run. */
  readonly defaultPaths: readonly BootPath[];
  readonly paths: Readonly<Partial<Record<BootPath, BootPathEntry>>>;
  readonly cpu: Readonly<Record<Accelerator, string>>;
  /** Looked for in this order. */
  readonly firmware: readonly FirmwareFiles[];
  /** The file under /EFI/BOOT that UEFI firmware starts from a disk. */
  readonly efiBootFile: string;
  /** systemd-boot, where Debian and Ubuntu install it. */
  readonly systemdBoot: string;
}

const x86_64: Architecture = {
  name: "x86_64",
  nodeArch: "x64",
  kernelArch: "x86_64",
  image: { path: "arch/x86/boot/bzImage", name: "bzImage" },
  qemu: "qemu-system-x86_64",
  elfMachine: 62,
  crossCompile: "x86_64-linux-gnu-",
  serial: "ttyS0",
  consoleArguments: "earlyprintk=ttyS0,115200 console=tty0 console=ttyS0,115200",
  defaultPaths: ["direct", "bios", "uefi"],
  paths: {
    direct: { attaches: "kernel", kernelFile: "image", machine: "pc,graphics=off" },
    bios: { attaches: "disk", machine: "pc,graphics=off" },
    uefi: { attaches: "disk", machine: "q35", firmware: true },
    pvh: { attaches: "kernel", kernelFile: "vmlinux", machine: "pc,graphics=off" },
  },
  // qemu64, QEMU's default, lacks what x86-64-v2 user programs need.
  cpu: { kvm: "host", tcg: "max" },
  firmware: [
    // Debian 12 and Ubuntu 24.04
    { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", vars: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
    // Debian 11 and older
    { code: "/usr/share/OVMF/OVMF_CODE.fd", vars: "/usr/share/OVMF/OVMF_VARS.fd" },
    // Fedora
    { code: "/usr/share/edk2/ovmf/OVMF_CODE.fd", vars: "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
    // Arch
    { code: "/usr/share/edk2/x64/OVMF_CODE.4m.fd", vars: "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
  ],
  efiBootFile: "BOOTX64.EFI",
  systemdBoot: "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
};

/** Every architecture by its name. */
export const architectures: Readonly<Record<string, Architecture>> = { x86_64 };

/**
 * The entry of a name.
 * @throws Failure `bad-request` naming the ones there are
 */
export function architectureOf(name: string): Architecture {
  const entry = Object.hasOwn(architectures, name) ? architectures[name] : undefined;
  if (entry === undefined) {
    throw new Failure("bad-request", `arch: ${name} is none of ${Object.keys(architectures).join(", ")}`);
  }
  return entry;
}

/** The architecture of this computer by Node's name for it (`process.arch`); undefined when the table lacks it. */
export function hostArchitecture(nodeArch: string): Architecture | undefined {
  return Object.values(architectures).find((entry) => entry.nodeArch === nodeArch);
}

/**
 * What a boot path attaches on an architecture.
 * @throws Failure `bad-request` naming the paths there are
 */
export function bootPathOf(architecture: Architecture, path: BootPath): BootPathEntry {
  const entry = architecture.paths[path];
  if (entry === undefined) {
    const known = Object.keys(architecture.paths).join(", ");
    throw new Failure(
      "bad-request",
      `boot: ${path} is not possible on ${architecture.name}, which has ${known}`,
    );
  }
  return entry;
}
