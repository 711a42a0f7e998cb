/**
 * Which releases are known by hash, and where they can be fetched.
 *
 * The hashes come from the projects' own signed lists and were compared with the distributions' copies (the facts of
 * this project, "Sources"); a pinned hash makes any mirror acceptable. Mirrors: kernel.org's CDN and its edge mirrors; MIT and
 * the UK mirror service as in OpenWrt's scripts/projectsmirrors.json (@KERNEL), which do not all copy a deletion at the
 * same moment; for BusyBox its own site, Buildroot's source archive (BR2_BACKUP_SITE, by package folder), OpenWrt's and
 * Gentoo's flat archives, all independent of busybox.net.
 */
import type { SourceName } from "./types.ts";

export interface Pin {
  readonly version: string;
  readonly sha256: string;
}

export const pins: Readonly<Record<SourceName, readonly Pin[]>> = {
  linux: [
    { version: "6.18.55", sha256: "f410638061a165c12f42ab871d2f3fcd525515359b5faeee80969cff84524df9" },
    { version: "6.18.45", sha256: "30fa4a56579ca614ac125a12614f7f6466f87ab1278aef7b951dd74156deab33" },
    { version: "6.12.104", sha256: "949d166a1263bd0cf0c5aab44eeb57869615099e7c48bf88d0e4adb77379b999" },
    { version: "7.1.9", sha256: "3271a4ae3897b38352980f2b0975bae61bca81c644d186221c5ae928bcc072b0" },
    { version: "6.13", sha256: "e79dcc6eb86695c6babfb07c2861912b635d5075c6cd1cd0567d1ea155f80d6e" },
  ],
  busybox: [
    { version: "1.38.0", sha256: "34f9ea6ff8636f2c9241153b9114eefa9e65674a45318ae1ef95bb5f31c53bb2" },
    { version: "1.37.0", sha256: "3311dff32e746499f4df0d5df04d7eb396382d7e108bb9250e7b519b837043a4" },
  ],
};

/** What `auto` means: the newest longterm line of Linux; BusyBox's newest release, a security release. */
export const automatic: Readonly<Record<SourceName, string>> = { linux: "6.18.55", busybox: "1.38.0" };

/** Base URLs in the order in which they are tried; `fileOf` gives what is appended. */
export const mirrors: Readonly<Record<SourceName, readonly string[]>> = {
  linux: [
    "https://cdn.kernel.org/pub/linux/kernel/",
    "https://mirrors.edge.kernel.org/pub/linux/kernel/",
    "https://mirrors.mit.edu/kernel/linux/kernel/",
    "https://www.mirrorservice.org/sites/ftp.kernel.org/pub/linux/kernel/",
  ],
  busybox: [
    "https://busybox.net/downloads/",
    "https://sources.buildroot.net/busybox/",
    "https://sources.openwrt.org/",
    "https://distfiles.gentoo.org/distfiles/",
  ],
};

/** A release archive's path below a mirror's base URL. */
export const fileOf: Readonly<Record<SourceName, (version: string) => string>> = {
  linux: (version) => `v${version.split(".")[0]}.x/linux-${version}.tar.xz`,
  busybox: (version) => `busybox-${version}.tar.bz2`,
};

/** The most bytes that an archive may have: about three times today's (linux 155 MB, busybox 2.6 MB). */
export const archiveLimit: Readonly<Record<SourceName, number>> = { linux: 512 << 20, busybox: 16 << 20 };

/**
 * Suites whose BusyBox source archive is a pinned release to the byte, by the distribution's ID in /etc/os-release, in
 * order of preference. A distribution without an entry gives its own suite's BusyBox.
 */
export const pinnedSuites: Readonly<Record<string, readonly { suite: string; version: string }[]>> = {
  debian: [
    { suite: "sid", version: "1.38.0" },
    { suite: "trixie", version: "1.37.0" },
  ],
};

/** The pin of a release, or undefined. */
export function pinOf(name: SourceName, version: string): Pin | undefined {
  return pins[name].find((pin) => pin.version === version);
}
