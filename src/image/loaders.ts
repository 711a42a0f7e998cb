/**
 * The boot loaders as files of the image: which there are, and the configuration that each reads. They name the same
 * kernel, initramfs and command line.
 */

/** The loaders of an image, as the architecture's entry has them. */
export interface Loaders {
  /** Syslinux in the boot sector (BIOS; x86 alone). */
  readonly syslinux: boolean;
  /** systemd-boot: its file on this computer, and the name under which that architecture's firmware looks for it. */
  readonly efi?: { readonly bootFile: string; readonly systemdBoot: string } | undefined;
}

export interface Payload {
  /** Places in the image. */
  readonly kernel: string;
  readonly initramfs: string;
  readonly append: string;
}

/**
 * What `syslinux --install` puts into the root folder beside the boot sector, sizes in bytes rounded up to whole 32 KiB:
 * 6.04 has 59392 and 119532 (Debian 12 and Ubuntu 24.04), and they can't be asked for before it has run.
 */
export const syslinuxFiles = [
  { name: "ldlinux.sys", size: 64 << 10 },
  { name: "ldlinux.c32", size: 128 << 10 },
] as const;

/**
 * syslinux.cfg (wiki.syslinux.org, "SYSLINUX#Configuration"). SERIAL comes first, or what is before it is not seen on the
 * serial port. PROMPT 0 and NOESCAPE 1: a stray byte on the serial line does not stop the boot. TIMEOUT is in tenths
 * of a second.
 */
export function syslinuxConfig({ kernel, initramfs, append }: Payload): string {
  const lines = [
    "SERIAL 0 115200",
    "PROMPT 0",
    "NOESCAPE 1",
    "TIMEOUT 10",
    "DEFAULT bootgate",
    "LABEL bootgate",
    `  LINUX /${kernel}`,
    `  INITRD /${initramfs}`,
    ...(append.trim() === "" ? [] : [`  APPEND ${append.trim()}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** loader/entries/*.conf: a boot loader entry of type 1 (uapi-group.org/specifications/specs/boot_loader_specification). */
export function systemdBootEntry({ kernel, initramfs, append }: Payload): string {
  const lines = [
    "title Bootgate",
    `linux /${kernel}`,
    `initrd /${initramfs}`,
    ...(append.trim() === "" ? [] : [`options ${append.trim()}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** loader.conf(5): straight to the one entry. */
export const systemdBootConfig = "timeout 0\ndefault bootgate.conf\neditor no\n";

/** The loaders' files with their places in the image; what `syslinux --install` writes by itself is not among them. */
export function loaderFiles(loaders: Loaders, payload: Payload) {
  const efi = loaders.efi;
  return [
    ...(loaders.syslinux ? [{ place: "syslinux.cfg", source: { text: syslinuxConfig(payload) } }] : []),
    ...(efi === undefined
      ? []
      : [
          { place: `EFI/BOOT/${efi.bootFile}`, source: { path: efi.systemdBoot } },
          { place: "loader/loader.conf", source: { text: systemdBootConfig } },
          { place: "loader/entries/bootgate.conf", source: { text: systemdBootEntry(payload) } },
        ]),
  ];
}
