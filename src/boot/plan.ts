/** What a boot is asked to do, and what it gives. Both plain; `Boot` is an entry of result.json's `boots[]`. */
import type { Accelerator, BootPath } from "../machine/architectures.ts";
import type { Machine } from "../machine/qemu.ts";
import type { LimitOptions } from "./limits.ts";
import type { Moment } from "./timeline.ts";
import type { Verdict } from "./verdict.ts";

/** The mildest kind of report that fails a boot. */
export type FailOn = "panic" | "oops" | "warning";

export interface BootPlan {
  readonly machine: Machine;
  /** Why this accelerator: a sentence from `chooseAccelerator`. */
  readonly accelReason: string;
  /** A regular expression that the end of the console's text must match before the probe is sent; default a shell's prompt. */
  readonly prompt?: string;
  readonly limits?: LimitOptions;
  /** Default `warning`. */
  readonly failOn?: FailOn;
  /**
   * Looks into the initramfs that the machine was given and says what is wrong with it, if anything is: an archive
   * cut short where no kernel notices it. `plain`: only what is not compressed, where the kernel is no judge.
   */
  readonly inspectInitramfs?: (parts: "all" | "plain") => Promise<string | undefined>;
}

export interface CommandResult {
  readonly command: string;
  readonly code: number;
  readonly stdout: string;
  readonly ms: number;
}

export interface Boot {
  readonly path: BootPath;
  readonly accel: Accelerator;
  readonly accelReason: string;
  readonly verdict: Verdict;
  readonly timeline: readonly Moment[];
  readonly commands: readonly CommandResult[];
  readonly counted: { readonly warnings: number; readonly allowed: number };
  /** /proc/sys/kernel/tainted after the probe; null when it could not be read. */
  readonly tainted: number | null;
  /** Names of the evidence files in the out folder; null when there is none. */
  readonly console: string | null;
  readonly screenshot: string | null;
  readonly dmesg: string | null;
  /** The command line that starts the same machine by hand. */
  readonly qemu: readonly string[];
}
