/**
 * What on the console means that a boot has failed: one table. Formats: kernel/panic.c, lib/bug.c,
 * arch/x86/kernel/dumpstack.c, arch/x86/mm/fault.c, init/main.c, init/do_mounts.c, init/initramfs.c and
 * arch/x86/boot/compressed/misc.c of Linux; Syslinux; systemd-boot; SeaBIOS; edk2.
 */
import type { FailureClass } from "../outcome.ts";
import type { State } from "./timeline.ts";

export interface CrashMarker {
  readonly class: FailureClass;
  /** Matched against the line behind the kernel's time stamp. */
  readonly pattern: RegExp;
  /** Only the kernel can say it: where its lines carry time stamps, one without is a program's. */
  readonly kernel: boolean;
  /** Not looked for before this state … */
  readonly from?: State;
  /** … nor from this one on. */
  readonly until?: State;
  /** @param before the last line with words in it that came before */
  readonly title: Title;
  /** The title still wants a function's name from the lines that follow: `RIP:`, else the call trace. */
  readonly named?: boolean;
}

type Title = (match: RegExpExecArray, before: string) => string;

const whole: Title = (match) => match[0].trim();
const first: Title = (match) => match[1]!.trim();

export const crashMarkers: readonly CrashMarker[] = [
  // Panics, the particular ones first.
  kernel("no-rootfs", /^Kernel panic - not syncing: (VFS: Unable to mount root fs.*)/, first),
  kernel(
    "no-init",
    /^Kernel panic - not syncing: (No (?:working )?init found|Requested init \S+ failed[^.]*)/,
    first,
  ),
  kernel("init-died", /^Kernel panic - not syncing: (Attempted to kill init!.*)/, first),
  kernel("panic", /^Kernel panic - not syncing: (.*)/, (match) => `Kernel panic: ${match[1]!.trim()}`),

  // Oopses.
  report("oops", /^(?:watchdog: )?(BUG: .*)/, bugTitle),
  report("oops", /^kernel BUG at (\S+?)!?$/, (match) => `kernel BUG at ${match[1]}`),
  report("oops", /^general protection fault.*/, () => "general protection fault"),
  report("oops", /^(stack segment|divide error|invalid opcode|double fault).*: 0000 \[#\d+\]/, first),
  report("oops", /^Oops: .*/, () => "Oops"),

  // Warnings, up to 6.x and from 7.x on.
  report("warning", /^WARNING: CPU: \d+ PID: \d+ at \S+(?: (\S+?)\+0x)?/, warningTitle),
  report("warning", /^WARNING: \S+ at (\S+?)\+0x/, warningTitle),
  kernel(
    "warning",
    /^WARNING: (?:possible|suspicious|bad unlock|inconsistent|held lock|nested lock|HARDIRQ|SOFTIRQ).*/,
  ),

  // Boot loaders. Syslinux writes to screen and serial port, and SeaBIOS mirrors the screen: its words come doubled.
  loader(
    /Loading \/?(\S+?)\.\.\.?.*failed: *(No such file|I\/O error?|Not enough memory|Out of memory)?/,
    (match) => `Syslinux can't load ${match[1]}: ${match[2] ?? "failed"}`,
  ),
  loader(/Booting kernel failed:/, () => "Syslinux: booting the kernel failed: its file is no kernel image"),
  loader(
    /Could not find kernel image: *(\S*)/,
    (match) => `Syslinux: could not find the kernel image ${match[1]}`,
  ),
  loader(/Invalid or corrupt kernel image|Not a valid (?:Linux )?kernel/i),
  loader(/Failed to load (?:ldlinux|COM32|libcom32)/),
  loader(/No DEFAULT or UI configuration directive found/),
  loader(/(?:Initrd|Image) too large|Not enough memory to load/i),
  loader(
    /BdsDxe: failed to (?:load|start) Boot\d+ .*: ((?:Access Denied|Security Violation|Load Error|Unsupported).*)/,
    (match) => `UEFI can't start the boot loader: ${match[1]!.trim()}`,
  ),
  // edk2's exception handler (UefiCpuPkg, CpuExceptionCommon.c): what was started ran wild, and nothing more will come.
  loader(
    /!!!! \w+ Exception Type - \w+\(([^)]*)\)/,
    (match) => `UEFI caught an exception on the way to the kernel: ${match[1]}`,
  ),
  loader(/Failed to (?:execute|load|start image) .*: .*/, systemdBoot),
  loader(/Error (?:loading|preparing initrd|registering initrd|opening root path)\b.*: .*/, systemdBoot),
  loader(
    /^\s*Reboot Into Firmware Interface\s+Boot in \d+ s/,
    () => "systemd-boot found no entry with a kernel",
  ),

  // Firmware that found nothing.
  firmware(/^No bootable device\./, () => "SeaBIOS: No bootable device"),
  firmware(/This is not a bootable disk/),
  firmware(/BdsDxe: No bootable option or device was found/),
  firmware(
    /BdsDxe: starting Boot\d+ "EFI Internal Shell"|^UEFI Interactive Shell/,
    () => "UEFI found nothing to boot and started its own shell",
  ),

  // The decompressor's last words; the reason stands before them.
  {
    class: "kernel-silent",
    pattern: /^ *-- System halted/,
    kernel: false,
    until: "kernel",
    title: (_, before) => `the kernel was not unpacked: ${before || "its decompressor stopped"}`,
  },
];

/** A line that says the initramfs could not be unpacked: not fatal by itself, but it explains what follows. */
export const unpackingFailed = /Initramfs unpacking failed: .*|rootfs image is not initramfs .*/;

/** The one of them that no healthy boot shows: "not initramfs" is also said of an old-style ramdisk, which is fine. */
export const unpackingGaveUp = /^Initramfs unpacking failed/;

/**
 * A program that could not be started as init, and the error (init/main.c). Not fatal by itself: the kernel then tries
 * /sbin/init, /etc/init, /bin/init and /bin/sh, and `No working init found` does not say why.
 */
export const notExecuted =
  /(?:Failed to execute (\S+)|Starting init: (\S+) exists but couldn't execute it) \(error (-?\d+)\)/;

/** Errors of execve that newcomers meet (errno.h), in words. */
export const execErrors: Readonly<Record<string, string>> = {
  "-2": "not found, or its interpreter or dynamic loader is not",
  "-8": "not a program that this kernel can run: another architecture's, or damaged",
  "-13": "not executable",
  "-40": "a loop of links",
};

function kernel(failureClass: FailureClass, pattern: RegExp, title: Title = whole): CrashMarker {
  return { class: failureClass, pattern, kernel: true, title };
}

function report(failureClass: FailureClass, pattern: RegExp, title: Title): CrashMarker {
  return { class: failureClass, pattern, kernel: true, title, named: true };
}

function loader(pattern: RegExp, title: Title = whole): CrashMarker {
  return { class: "bootloader-failed", pattern, kernel: false, from: "firmware", until: "kernel", title };
}

function firmware(pattern: RegExp, title: Title = whole): CrashMarker {
  return { class: "firmware-only", pattern, kernel: false, until: "kernel", title };
}

function systemdBoot(match: RegExpExecArray): string {
  return `systemd-boot: ${match[0].trim()}`;
}

function warningTitle(match: RegExpExecArray): string {
  return match[1] ? `WARNING in ${match[1]}` : "WARNING";
}

function bugTitle(match: RegExpExecArray): string {
  const text = match[1]!.trim();
  if (/^BUG: soft lockup/.test(text)) return "BUG: soft lockup";
  if (/^BUG: (?:kernel )?NULL pointer dereference/i.test(text)) return "BUG: kernel NULL pointer dereference";
  return text.replace(/,? (?:at |for |address: |at virtual )?(?:address:? )?(?:0x)?[0-9a-f]{8,}.*$/, "");
}
