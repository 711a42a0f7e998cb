/**
 * One boot under way: the watch over the console, the session with QEMU, and the one question that is asked over and
 * over: has it ended, and how?
 */
import type { Context } from "../context.ts";
import { Failure } from "../outcome.ts";
import { type Crash, CrashWatch } from "./crash.ts";
import type { Limits } from "./limits.ts";
import { cpuMsOf, type Doing, SilenceClock, sampleGuest } from "./liveness.ts";
import type { BootPlan } from "./plan.ts";
import { defaultPrompt } from "./probe.ts";
import { Session } from "./session.ts";
import { type Facts, shutdownFinding, silenceFinding, timeoutFinding } from "./silence.ts";
import { loadedAll } from "./timeline.ts";
import type { Finding } from "./verdict.ts";
import { Watch } from "./watch.ts";

/** Between two looks at a silent guest. */
const sampleEveryMs = 250;
/** The console is taken as silent after this; short pauses are not worth a look. */
const quietAfterMs = 400;
/** A report without an end of its own is over when nothing follows for this long … */
const reportPauseMs = 700;
/** … and a report that never pauses is judged as it is. */
const reportLongestMs = 5000;
/** How often and how far apart the processors are looked at before a panic is believed. */
const panicLooks = { times: 4, everyMs: 100 };

/** QEMU loads the kernel itself on the direct path (hw/i386/x86.c, hw/core/loader.c): the file is at fault, not QEMU. */
const refusals =
  /qemu.*: (?:could not load (?:kernel|initrd)|linux kernel too old|initrd is too large|invalid kernel|Error loading uncompressed kernel)/;

export class Run {
  readonly plan: BootPlan;
  readonly limits: Limits;
  readonly prompt: RegExp;
  readonly watch: Watch;
  readonly silence = new SilenceClock();
  /** Milliseconds since QEMU was spawned, on the monotonic clock. */
  readonly now: () => number;
  /** What the guest was last seen doing. */
  doing: Doing = "unknown";
  session!: Session;
  readonly #context: Context;
  #wake: () => void = () => {};
  #sampledAt = 0;
  #spokenAtSample = 0;
  #fatalSeenAt: number | undefined;

  constructor(plan: BootPlan, limits: Limits, context: Context) {
    this.plan = plan;
    this.limits = limits;
    this.prompt = promptOf(plan);
    this.#context = context;
    const start = context.now();
    this.now = () => context.now() - start;
    this.watch = new Watch(this.now);
  }

  /** Starts QEMU with the console going to `log`. */
  async start(log: string): Promise<void> {
    this.session = await Session.start(this.#context, {
      machine: this.plan.machine,
      console: log,
      onConsole: (chunk) => this.watch.push(chunk),
      onWake: () => this.#wake(),
    });
    this.watch.timeline.reach("qemu-started", 0);
    this.silence.reset(this.now(), cpuMsOf(this.session.pid));
  }

  /**
   * Waits until something happens, `ms` at most; a burst of bytes counts as one happening.
   * @throws Failure `cancelled`
   */
  async pause(ms: number): Promise<void> {
    if (this.#context.signal.aborted)
      throw new Failure("cancelled", "cancelled while the machine was running");
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        setTimeout(resolve, 5);
      };
    });
    this.#wake = () => {};
    this.proceed();
  }

  /** How the boot ended; undefined while it has not. What the kernel said goes before how the machine stopped. */
  async ended(): Promise<Finding | undefined> {
    const fatal = await this.#fatal();
    if (fatal) return fatal;
    if (this.watch.crashes.fatal && this.session.exit === undefined) return undefined; // still being read
    const { session, watch } = this;
    if (session.log.error) throw session.log.error;
    if (session.exit !== undefined) return this.#exited();
    if (session.shutdown !== undefined) {
      // The event overtakes the last bytes of the console.
      if (this.quietMs < 100) return undefined;
      watch.considerPartial();
      return shutdownFinding(this.facts, session.shutdown);
    }
    if (session.problem !== undefined) {
      await this.pause(1000);
      if (session.exit !== undefined) return this.#exited();
      return { class: "qemu-failed", title: `QEMU can't be controlled: ${session.problem}`, line: 0 };
    }
    if (this.now() > this.limits.timeout * 1000) return timeoutFinding(this.facts, this.limits);
    await this.#look();
    return silenceFinding(this.facts, this.silence, this.limits);
  }

  /** Types into the guest's console. */
  type(text: string): void {
    this.watch.expectEcho(text);
    this.session.send(text);
  }

  get facts(): Facts {
    const { watch } = this;
    return {
      path: this.plan.machine.path,
      reached: watch.timeline.reached,
      handedOver: watch.handedOver || loadedAll.test(watch.lastWords ?? ""),
      bytes: watch.bytes,
      lastWords: watch.lastWords,
      lastLine: watch.recent.last(1)[0]?.number ?? 0,
    };
  }

  /** Milliseconds since the console last said something. */
  get quietMs(): number {
    return this.now() - this.watch.lastSpokeAt;
  }

  /** A cancelled run ends its programs itself: what they do then is no verdict. */
  proceed(): void {
    if (this.#context.signal.aborted)
      throw new Failure("cancelled", "cancelled while the machine was running");
  }

  #exited(): Finding {
    this.proceed();
    const { exit, stderr } = this.session;
    const how = exit?.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit?.code}`;
    const said = stderr.trim().split("\n").at(-1);
    if (refusals.test(stderr)) {
      return {
        class: "bootloader-failed",
        title: `QEMU, which is the boot loader here, refused: ${said}`,
        line: 0,
      };
    }
    return { class: "qemu-failed", title: `QEMU ${how}${said ? `: ${said}` : " and said nothing"}`, line: 0 };
  }

  /** A crash that ends the boot, once its report is over and the machine bears it out. */
  async #fatal(): Promise<Finding | undefined> {
    const crash = this.watch.crashes.fatal;
    if (!crash) {
      this.#fatalSeenAt = undefined;
      return undefined;
    }
    this.#fatalSeenAt ??= this.now();
    const stopped = this.session.shutdown !== undefined || this.session.exit !== undefined;
    const over =
      stopped ||
      crash.complete ||
      this.quietMs > reportPauseMs ||
      this.now() - this.#fatalSeenAt > reportLongestMs;
    if (!over) return undefined;
    if (!stopped && CrashWatch.isPanic(crash) && (await this.#lives())) {
      this.watch.crashes.dismiss(crash);
      return undefined;
    }
    return crash;
  }

  /**
   * True when the guest goes on: a program runs, or all processors wait for work. After a real panic one of them
   * spins in the kernel for good (kernel/panic.c), so "Kernel panic" was a program's words (CASES 23).
   */
  async #lives(): Promise<boolean> {
    for (let look = 0; look < panicLooks.times; look++) {
      await this.pause(panicLooks.everyMs);
      if (!this.session.qmp || this.session.shutdown !== undefined) return false;
      const { doing } = await sampleGuest(this.session.qmp);
      if (doing === "idle" || doing === "user") return true;
      if (doing === "dead") return false;
    }
    return false;
  }

  /** Looks at a silent guest now and then, and counts the silence. */
  async #look(): Promise<void> {
    const { watch, session } = this;
    const now = this.now();
    if (watch.spoken !== this.#spokenAtSample) {
      this.#spokenAtSample = watch.spoken;
      this.silence.reset(now, cpuMsOf(session.pid));
      this.doing = "unknown";
      return;
    }
    if (this.quietMs < quietAfterMs || now - this.#sampledAt < sampleEveryMs || !session.qmp) return;
    this.#sampledAt = now;
    watch.considerPartial();
    const sample = await sampleGuest(session.qmp);
    this.doing = sample.doing;
    if (sample.inKernel) watch.handedOver = true;
    if (watch.spoken === this.#spokenAtSample) this.silence.add(sample.doing, now, cpuMsOf(session.pid));
  }
}

function promptOf(plan: BootPlan): RegExp {
  try {
    return plan.prompt === undefined ? defaultPrompt : new RegExp(plan.prompt);
  } catch (cause) {
    throw new Failure("bad-request", `prompt: ${(cause as Error).message}`, { cause });
  }
}

/** The worst of the crashes that a policy counts; undefined when there is none. */
export function worst(crashes: readonly Crash[], counts: (crash: Crash) => number): Crash | undefined {
  let found: Crash | undefined;
  for (const crash of crashes) {
    if (counts(crash) > (found ? counts(found) : 0)) found = crash;
  }
  return found;
}
