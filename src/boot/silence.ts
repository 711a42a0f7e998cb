/** What a boot that stopped talking, reset or ran out of time is to be called. Pure: facts in, finding out. */
import type { BootPath } from "../machine/architectures.ts";
import { type Limits, silenceIn } from "./limits.ts";
import { type State, states } from "./timeline.ts";
import type { Finding } from "./verdict.ts";

export interface Facts {
  readonly path: BootPath;
  readonly reached: State;
  /** The kernel's code was entered (its decompressor spoke, or a processor was seen in kernel space). */
  readonly handedOver: boolean;
  /** Bytes that came out of the serial port. */
  readonly bytes: number;
  /** The last line with words in it, and its number. */
  readonly lastWords: string | undefined;
  readonly lastLine: number;
}

export interface Quiet {
  readonly idleMs: number;
  readonly busyMs: number;
  readonly deadMs: number;
}

/** Every processor halted for good, seen for this long: nothing more will come. */
const deadAfterMs = 1000;

/** The finding when the silence is over its limit; undefined while it is not. */
export function silenceFinding(facts: Facts, quiet: Quiet, limits: Limits): Finding | undefined {
  if (proven(facts.reached)) return undefined; // a shell with nothing to do is silent
  const limit = silenceIn(facts.reached, limits);
  const how =
    quiet.deadMs >= deadAfterMs
      ? "every processor is halted with interrupts off"
      : quiet.idleMs >= limit.idle * 1000
        ? `silent for ${limit.idle} s, the machine idle`
        : quiet.idleMs / (limit.idle * 1000) + quiet.busyMs / (limit.busy * 1000) >= 1
          ? `silent through ${Math.round((quiet.busyMs + quiet.idleMs) / 1000)} s of work`
          : undefined;
  return how === undefined ? undefined : stuckFinding(facts, how);
}

function beforeKernel(state: State): boolean {
  return states.indexOf(state) < states.indexOf("kernel");
}

function proven(state: State): boolean {
  return states.indexOf(state) >= states.indexOf("probe");
}

/** A boot that came to rest somewhere before the probe was answered. */
function stuckFinding(facts: Facts, how: string): Finding {
  const line = facts.lastLine;
  const after = facts.lastWords === undefined ? "" : `; the last words were: ${facts.lastWords}`;
  if (facts.reached === "prompt") {
    return {
      class: "probe-failed",
      title: `a prompt appeared, but nothing answered the probe (${how})`,
      line,
    };
  }
  if (facts.reached === "kernel" || facts.reached === "init") {
    return { class: "no-prompt", title: `no shell prompt: ${how}${after}`, line };
  }
  if (facts.handedOver) {
    return { class: "kernel-silent", title: `the kernel was started and never spoke: ${how}${after}`, line };
  }
  if (facts.bytes === 0) {
    return { class: "no-output", title: `nothing came out of the serial port: ${how}`, line: 0 };
  }
  if (facts.reached === "boot-loader") {
    return {
      class: "bootloader-failed",
      title: `the boot loader did not get to a kernel: ${how}${after}`,
      line,
    };
  }
  return { class: "firmware-only", title: `the firmware started nothing that spoke: ${how}${after}`, line };
}

/** QMP's reasons of a SHUTDOWN event (qapi/run-state.json, ShutdownCause), in words. */
const causes: Readonly<Record<string, string>> = {
  "guest-reset": "reset itself",
  "guest-shutdown": "powered off",
  "guest-panic": "reported a panic to QEMU",
};

/**
 * A guest that stopped the machine before its time. Before the kernel's first line, the reset is how the loader or the
 * kernel file failed (a damaged image ends in a triple fault).
 */
export function shutdownFinding(facts: Facts, reason: string): Finding {
  const what = `the guest ${causes[reason] ?? `stopped (${reason})`}`;
  const line = facts.lastLine;
  const after = facts.lastWords === undefined ? "" : `; the last words were: ${facts.lastWords}`;
  if (reason === "guest-panic") return { class: "panic", title: `${what}${after}`, line };
  if (beforeKernel(facts.reached)) {
    if (facts.handedOver) {
      return {
        class: "kernel-silent",
        title: `${what} before the kernel spoke (a triple fault?)${after}`,
        line,
      };
    }
    if (facts.reached === "boot-loader") {
      return { class: "bootloader-failed", title: `${what} in the boot loader${after}`, line };
    }
  }
  const when = facts.reached === "probe" ? "after a shell had answered" : "before a shell answered";
  return { class: "unexpected-reboot", title: `${what} ${when}${after}`, line };
}

/** The whole boot took longer than it may. */
export function timeoutFinding(facts: Facts, limits: Limits): Finding {
  return {
    class: "timeout",
    title: `no verdict within ${limits.timeout} s; the boot had reached: ${facts.reached}`,
    line: facts.lastLine,
  };
}
