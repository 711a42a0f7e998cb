/**
 * Reads the kernel's reports off a console, line by line: where one begins (the table in crash-markers.ts), which
 * function it is about, and where it ends. Synchronous, bounded, without a clock.
 */
import type { FailureClass } from "../outcome.ts";
import type { ConsoleLine } from "./console.ts";
import {
  type CrashMarker,
  crashMarkers,
  execErrors,
  notExecuted,
  unpackingFailed,
  unpackingGaveUp,
} from "./crash-markers.ts";
import { kernelText } from "./printk.ts";
import { type State, states } from "./timeline.ts";
import type { Finding } from "./verdict.ts";

/** Functions that make or pass on the report rather than cause it. */
const machinery =
  /^(?:dump_stack|dump_stack_lvl|show_stack|__show_stack|show_regs|__warn|warn_slowpath\w*|report_bug|handle_bug|exc_\w+|asm_exc_\w+|do_error_trap|do_trap|die|die_addr|oops_end|panic|vpanic|__die\w*|page_fault_oops|do_user_addr_fault|fixup_exception|print_\w+|check_\w+_context|__might_sleep|__might_resched|__schedule_bug|no_context|bad_area\w*|spin_bug|rwlock_bug)$/;

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
  /** The line of its own head: `line` may be that of an earlier cause. */
  head: number;
}

/** Lines behind a report's head that may still belong to it when its end is not marked. */
const reach = 60;
/** … and between a report and the panic that it led to. */
const causeReach = 100;
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
  #before = "";
  /** The last program that could not be started as init, and why. */
  #refused: { readonly text: string; readonly line: number } | undefined;
  #unpacking: { readonly text: string; readonly line: number } | undefined;

  /** Judges one line in a state. Gives the crash that it began, if it did. */
  line(line: ConsoleLine, state: State): Crash | undefined {
    const kernel = kernelText(line.text);
    if (kernel && /^Linux version \d/.test(kernel.text)) this.#stamped = true;
    const text = kernel?.text ?? line.text;
    const fromKernel = kernel !== undefined || !this.#stamped;

    if (fromKernel) {
      const failed = unpackingFailed.exec(text);
      if (failed) this.#unpacking ??= { text: failed[0].trim(), line: line.number };
      const refused = notExecuted.exec(text);
      if (refused)
        this.#refused = {
          text: `${refused[1] ?? refused[2]}: ${execErrors[refused[3]!] ?? `error ${refused[3]}`}`,
          line: line.number,
        };
      this.#continue(text, line.number);
    }
    const marker = crashMarkers.find(
      (entry) => (fromKernel || !entry.kernel) && inState(entry, state) && entry.pattern.test(text),
    );
    const begun = marker && this.#begin(marker, marker.pattern.exec(text)!, line.number);
    if (/\w{2}/.test(text)) this.#before = text.trim();
    return begun;
  }

  /** The crash that ends a boot whatever the policy, if there is one: a panic or what the firmware or loader said. */
  get fatal(): Crash | undefined {
    return this.crashes.find((crash) => crash.class !== "oops" && crash.class !== "warning");
  }

  /**
   * What makes a boot a failed one although a shell answered: the kernel went on without the initramfs that it was
   * given, or with another program than the init that it was given.
   */
  get doubt(): Finding | undefined {
    if (this.#unpacking !== undefined && unpackingGaveUp.test(this.#unpacking.text)) {
      const title = `${this.#unpacking.text}; the kernel went on without the rest`;
      return { class: "initramfs-corrupt", title, line: this.#unpacking.line };
    }
    if (this.#refused === undefined) return undefined;
    const title = `init could not be run (${this.#refused.text}); the kernel went on with another program`;
    return { class: "no-init", title, line: this.#refused.line };
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
    const inside = open !== undefined && !open.complete && number - open.head <= reach;
    const rank = severity(marker.class);
    // One report can have several heads ("BUG: …" and then "Oops: …"): the first names it, unless it grows worse.
    if (inside && rank <= severity(open.class)) return undefined;
    if (inside && rank === 3 && severity(open.class) === 3) return undefined;
    const title = marker.title(match, this.#before);
    const crash: Open = {
      class: marker.class,
      title,
      line: number,
      lastLine: number,
      complete: false,
      named: marker.named !== true || / in \S+$/.test(title),
      head: number,
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
      crash.title = `${this.#unpacking.text} (then: ${crash.title})`;
      crash.line = this.#unpacking.line;
      crash.class = "initramfs-corrupt";
      return;
    }
    if (crash.class === "no-init" && this.#refused !== undefined) crash.title += ` (${this.#refused.text})`;
    const cause = this.crashes.findLast((earlier) => severity(earlier.class) < 3);
    if (cause === undefined || crash.head - cause.line > causeReach) return;
    // An oops in process 1, or in an initcall, kills "init": the oops is what happened.
    const byOops = crash.class === "init-died" && cause.class === "oops";
    if (byOops || (crash.class === "panic" && /Fatal exception|panic_on_(?:warn|oops)/.test(crash.title))) {
      crash.title = `${cause.title} (then: ${crash.title})`;
      crash.line = cause.line;
      crash.class = "panic";
    }
  }

  #continue(text: string, number: number): void {
    const open = this.#open;
    if (!open || open.complete || number - open.head > reach) return;
    const isPanic = severity(open.class) === 3;
    if (isPanic ? panicEnd.test(text) : reportEnd.test(text)) {
      open.complete = true;
      open.lastLine = number;
      return;
    }
    open.lastLine = number;
    if (open.named) return;
    // A compiler's clones of a function go by its own name.
    const name = (rip.exec(text) ?? frame.exec(text))?.[1]?.replace(/\.(?:constprop|isra|part|cold).*$/, "");
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
