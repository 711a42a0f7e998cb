/**
 * What on the console means that the boot has failed: one table of patterns, and the small machine that reads a
 * report to its end and gives it a title. Formats: kernel/panic.c, lib/bug.c, arch/x86/kernel/dumpstack.c,
 * arch/x86/mm/fault.c, init/main.c, init/do_mounts.c, init/initramfs.c of Linux; Syslinux; systemd-boot; SeaBIOS; edk2.
 */
import type { FailureClass } from "../outcome.ts";
import type { ConsoleLine } from "./console.ts";
import { kernelText } from "./printk.ts";
import { type State, states } from "./timeline.ts";
import type { Finding } from "./verdict.ts";

interface CrashMarker {
  readonly class: FailureClass;
  /** Matched against the line behind the kernel's time stamp. */
  readonly pattern: RegExp;
  /** Only the kernel can say it: where its lines carry time stamps, one without is a program's. */
  readonly kernel: boolean;
  /** Not looked for before this state … */
  readonly from?: State;
  /** … nor from this one on. */
  readonly until?: State;
  readonly title: (match: RegExpExecArray) => string;
  /** Report titles take a function's name from the lines that follow: `RIP:`, else the call trace. */
  readonly named?: boolean;
}

const whole = (match: RegExpExecArray) => match[0].trim();

export const crashMarkers: readonly CrashMarker[] = [
  // Panics, the particular ones first.
  {
    class: "no-rootfs",
    pattern: /Kernel panic - not syncing: (VFS: Unable to mount root fs.*)/,
    kernel: true,
    title: (match) => match[1]!,
  },
  {
    class: "no-init",
    pattern:
      /Kernel panic - not syncing: (No (?:working )?init found.*?|Requested init .* failed.*?)(?: {2}Try passing| Try passing|\.? *$)/,
    kernel: true,
    title: (match) => match[1]!.replace(/\.$/, ""),
  },
  {
    class: "init-died",
    pattern: /Kernel panic - not syncing: (Attempted to kill init!.*)/,
    kernel: true,
    title: (match) => match[1]!,
  },
  {
    class: "panic",
    pattern: /Kernel panic - not syncing: (.*)/,
    kernel: true,
    title: (match) => `Kernel panic: ${match[1]!.trim()}`,
  },

  // Oopses.
  { class: "oops", pattern: /^BUG: .*/, kernel: true, title: bugTitle, named: true },
  { class: "oops", pattern: /^kernel BUG at \S+/, kernel: true, title: whole, named: true },
  {
    class: "oops",
    pattern: /^general protection fault.*/,
    kernel: true,
    title: () => "general protection fault",
    named: true,
  },
  {
    class: "oops",
    pattern: /^(?:stack segment|divide error|invalid opcode|double fault).*: 0000 \[#\d+\]/,
    kernel: true,
    title: (match) => match[0].replace(/: 0000.*/, ""),
    named: true,
  },
  { class: "oops", pattern: /^Oops: .*/, kernel: true, title: () => "Oops", named: true },

  // Warnings.
  {
    class: "warning",
    pattern: /^WARNING: CPU: \d+ PID: \d+ at (\S+)(?: (\S+?)\+0x)?/,
    kernel: true,
    title: (match) => (match[2] ? `WARNING in ${match[2]}` : "WARNING"),
    named: true,
  },
  {
    class: "warning",
    pattern: /^WARNING: (\S+) at (\S+?)\+0x/,
    kernel: true,
    title: (match) => `WARNING in ${match[2]}`,
  },
  {
    class: "warning",
    pattern:
      /^WARNING: (?!CPU:)(?:possible|suspicious|bad unlock|inconsistent|held lock|nested lock|HARDIRQ|SOFTIRQ).*/,
    kernel: true,
    title: whole,
  },

  // Boot loaders. Syslinux's console doubles characters where SeaBIOS mirrors the screen: patterns are loose there.
  {
    class: "bootloader-failed",
    pattern: /^Could not find kernel image.*/,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern: /Loading \/?(\S+?)\.\.\.?.*failed.*No such file/,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: (match) => `Syslinux: no such file: ${match[1]}`,
  },
  {
    class: "bootloader-failed",
    pattern: /Invalid or corrupt kernel image|Not a valid (?:Linux )?kernel|kernel image is corrupt/i,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern: /Failed to load (?:ldlinux|COM32|libcom32).*/,
    kernel: false,
    from: "firmware",
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern: /No DEFAULT or UI configuration directive found/,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern:
      /(?:Initrd|Image) too large|Not enough memory to load|Boot failed: (?:please change|press a key).*/i,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern:
      /BdsDxe: failed to (?:load|start) Boot\d+ .*: (?:Access Denied|Security Violation|Load Error|Unsupported).*/,
    kernel: false,
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern:
      /(?:Failed to (?:execute|load|start image) |Error (?:loading|preparing initrd|registering initrd|opening root path)\b).*: .*/,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: whole,
  },
  {
    class: "bootloader-failed",
    pattern: /^\s*Reboot Into Firmware Interface\s+Boot in \d+ s/,
    kernel: false,
    from: "boot-loader",
    until: "kernel",
    title: () => "systemd-boot found no entry whose kernel is there",
  },

  // Firmware.
  {
    class: "firmware-only",
    pattern: /^No bootable device\./,
    kernel: false,
    until: "kernel",
    title: () => "SeaBIOS: No bootable device",
  },
  {
    class: "firmware-only",
    pattern: /This is not a bootable disk/,
    kernel: false,
    until: "kernel",
    title: whole,
  },
  {
    class: "firmware-only",
    pattern: /BdsDxe: No bootable option or device was found/,
    kernel: false,
    until: "kernel",
    title: whole,
  },
  {
    class: "firmware-only",
    pattern: /BdsDxe: starting Boot\d+ "EFI Internal Shell"|^UEFI Interactive Shell/,
    kernel: false,
    until: "kernel",
    title: () => "UEFI found nothing to boot and started its own shell",
  },

  // The decompressor: arch/x86/boot/compressed/misc.c error().
  {
    class: "kernel-silent",
    pattern: /^ *-- System halted/,
    kernel: false,
    until: "kernel",
    title: () => "the kernel's decompressor stopped",
  },
];

function bugTitle(match: RegExpExecArray): string {
  const text = match[0].trim();
  if (/^BUG: (?:kernel )?NULL pointer dereference/i.test(text)) return "BUG: kernel NULL pointer dereference";
  if (/^BUG: unable to handle/.test(text))
    return text.replace(/ at (?:virtual address )?[0-9a-f]{4,}.*$/, "");
  return text.replace(/[,:]? (?:address|at): ?[0-9a-fx]+.*$/, "");
}

/** A line that says the initramfs could not be unpacked: not fatal by itself, but it explains what follows. */
export const unpackingFailed = /(?:Initramfs unpacking failed: .*|rootfs image is not initramfs .*)/;

/** Functions that make or pass on the report rather than cause it. */
const machinery =
  /^(?:dump_stack|dump_stack_lvl|show_stack|__show_stack|show_regs|__warn|warn_slowpath\w*|report_bug|handle_bug|exc_\w+|asm_exc_\w+|do_error_trap|do_trap|die|die_addr|oops_end|panic|vpanic|__die\w*|page_fault_oops|do_user_addr_fault|fixup_exception|print_\w+|check_\w+_context|__might_sleep|__might_resched|__schedule_bug|no_context|bad_area\w*|\w*_bug)$/;

const rip = /RIP: 0010:(?:\[<[0-9a-f]+>\] )?(\w[\w.]*)\+0x/;
const frame = /^(?:\[<[0-9a-f]+>\] )?\s*(\w[\w.]*)\+0x[0-9a-f]+\/0x[0-9a-f]+/;
const reportEnd = /---\[ end trace/;
// kernel/panic.c prints the first when it reboots after a while (panic=N), the second when it stays.
const panicEnd = /^Rebooting in \d+ seconds|---\[ end Kernel panic/;

/** A report that the console holds. */
export interface Crash extends Finding {
  /** The last line that belongs to it so far. */
  readonly lastLine: number;
  /** True when the kernel said that it is over. */
  readonly complete: boolean;
}

interface Open {
  class: FailureClass;
  title: string;
  line: number;
  lastLine: number;
  complete: boolean;
  named: boolean;
}

/** Lines behind a report's head that may still belong to it when its end is not marked. */
const reach = 60;
/** Crashes beyond this many are only counted. */
const keep = 100;

/** Reads the console's lines and collects what is wrong. Synchronous, bounded, no clock. */
export class CrashWatch {
  /** In the order in which they came. */
  readonly crashes: Crash[] = [];
  /** Reports of each class, also those beyond what is kept. */
  readonly counts = new Map<FailureClass, number>();
  #open: Open | undefined;
  #stamped = false;
  #unpacking: string | undefined;

  /** Judges one line in a state. Gives the crash that it began, if it did. */
  line(line: ConsoleLine, state: State): Crash | undefined {
    const kernel = kernelText(line.text);
    if (kernel && /^Linux version \d/.test(kernel.text)) this.#stamped = true;
    const text = kernel?.text ?? line.text;
    const fromKernel = kernel !== undefined || !this.#stamped;

    if (fromKernel) {
      const failed = unpackingFailed.exec(text);
      if (failed) this.#unpacking ??= failed[0].trim();
      this.#continue(text, line.number);
    }
    const marker = crashMarkers.find(
      (entry) => (fromKernel || !entry.kernel) && inState(entry, state) && entry.pattern.test(text),
    );
    return marker && this.#begin(marker, marker.pattern.exec(text)!, line.number);
  }

  /** The crash that ends a boot whatever the policy, if there is one: a panic or what the firmware or loader said. */
  get fatal(): Crash | undefined {
    return this.crashes.find((crash) => crash.class !== "oops" && crash.class !== "warning");
  }

  /** True when only the kernel can have said it: then the machine can be asked whether it really stopped. */
  static isPanic(crash: Crash): boolean {
    return panics.has(crash.class) || crash.class === "initramfs-corrupt";
  }

  /** Takes back a crash that turned out to be a program's words. */
  dismiss(crash: Crash): void {
    const at = this.crashes.indexOf(crash);
    if (at >= 0) this.crashes.splice(at, 1);
    if (this.#open === crash) this.#open = undefined;
  }

  #begin(marker: CrashMarker, match: RegExpExecArray, number: number): Crash | undefined {
    const open = this.#open;
    const inside = open !== undefined && !open.complete && number - open.line <= reach;
    const rank = severity(marker.class);
    // One report can have several heads ("BUG: …" and then "Oops: …"): the first names it, unless it grows worse.
    if (inside && rank <= severity(open.class)) return undefined;
    if (inside && rank === 3 && severity(open.class) === 3) return undefined;
    const crash: Open = {
      class: marker.class,
      title: marker.title(match),
      line: number,
      lastLine: number,
      complete: false,
      named: marker.named !== true || / in \S+$/.test(marker.title(match)),
    };
    if (panics.has(marker.class)) this.#explain(crash);
    this.counts.set(crash.class, (this.counts.get(crash.class) ?? 0) + 1);
    this.#open = crash;
    if (this.crashes.length >= keep) return undefined;
    this.crashes.push(crash);
    return crash;
  }

  /** A panic is often the end of another story: a damaged archive, or an oops that was fatal. */
  #explain(crash: Open): void {
    if (this.#unpacking !== undefined && crash.class !== "panic") {
      crash.title = `${this.#unpacking} (then: ${crash.title})`;
      crash.class = "initramfs-corrupt";
      return;
    }
    const cause = this.crashes.findLast((earlier) => severity(earlier.class) < 3);
    if (crash.class === "panic" && cause && /Fatal exception|panic_on_(?:warn|oops)/.test(crash.title)) {
      crash.title = `${cause.title} (${crash.title})`;
      crash.line = cause.line;
    }
  }

  #continue(text: string, number: number): void {
    const open = this.#open;
    if (!open || open.complete || number - open.line > reach) return;
    const isPanic = severity(open.class) === 3;
    if (isPanic ? panicEnd.test(text) : reportEnd.test(text)) {
      open.complete = true;
      open.lastLine = number;
      return;
    }
    open.lastLine = number;
    if (open.named) return;
    const name = rip.exec(text)?.[1] ?? frame.exec(text)?.[1];
    if (name === undefined || machinery.test(name)) return;
    open.title = `${open.title} in ${name}`;
    open.named = true;
  }
}

const panics: ReadonlySet<FailureClass> = new Set(["panic", "no-rootfs", "no-init", "init-died"]);

/** 1 warning, 2 oops, 3 whatever ends a boot. */
export function severity(failureClass: FailureClass): 1 | 2 | 3 {
  return failureClass === "warning" ? 1 : failureClass === "oops" ? 2 : 3;
}

function inState(entry: CrashMarker, state: State): boolean {
  const now = states.indexOf(state);
  return (
    (entry.from === undefined || now >= states.indexOf(entry.from)) &&
    (entry.until === undefined || now < states.indexOf(entry.until))
  );
}
