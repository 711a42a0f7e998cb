/**
 * From power-on to the probe's answer, and what is asked of the guest after it. A prompt alone proves nothing; the
 * answer does.
 */
import { randomBytes, randomInt } from "node:crypto";
import type { ConsoleLine } from "./console.ts";
import { CrashWatch } from "./crash.ts";
import { isStamped } from "./printk.ts";
import { type Answer, loginPrompt, Probe, promptStands, Schedule } from "./probe.ts";
import type { Run } from "./run.ts";
import type { Finding } from "./verdict.ts";

/** A console that has been quiet this long may hide a prompt that was torn apart, or wait for Enter … */
const nudgeAfterMs = 1500;
/** … and so may one that chatters on this long after init was started. */
const chatterMs = 5000;
/** A login prompt that stands this long is not followed by an automatic login. */
const loginAfterMs = 3000;

export type Proof = { readonly answer: Answer } | { readonly finding: Finding };

/** Waits for the prompt, probes, waits for the answer; or says how the boot ended instead. */
export async function untilProven(run: Run): Promise<Proof> {
  const { watch } = run;
  const probe = new Probe(randomBytes(4).toString("hex"), [randomInt(100, 999), randomInt(100, 999)]);
  const probing = new Schedule();
  const nudging = new Schedule();
  for (;;) {
    const said = watch.text;
    const answer = probing.count > 0 ? probe.answerIn(said) : undefined;
    if (answer) {
      watch.timeline.reach("prompt", run.now());
      watch.timeline.reach("probe", run.now());
      return { answer };
    }
    const finding = (await run.ended()) ?? loginFinding(run);
    if (finding) return { finding };

    if (!watch.timeline.has("prompt") && promptStands(said, run.prompt))
      watch.timeline.reach("prompt", run.now());
    if (watch.timeline.has("prompt")) {
      // A second try begins with Enter: what stands on the line may be half of the first.
      if (probing.due(run.now())) run.type(probing.count > 1 ? `\n${probe.sent}` : probe.sent);
    } else if (mayHidePrompt(run) && nudging.due(run.now())) {
      // Enter first; then the probe itself: behind a prompt of another form there may be a shell all the same.
      const blind = nudging.count > 1 && run.plan.prompt === undefined;
      if (blind && probing.due(run.now())) run.type(`\n${probe.sent}`);
      else run.type("\n");
    }
    await run.pause(100);
  }
}

/** Somebody's name is asked for, and nobody will type it. */
function loginFinding(run: Run): Finding | undefined {
  const question = loginPrompt.exec(run.watch.text)?.[0];
  if (question === undefined || run.plan.prompt !== undefined || run.quietMs < loginAfterMs) return undefined;
  const title = `the guest asks for a login, not for commands: ${question.trim()}`;
  return { class: "no-prompt", title, line: run.watch.recent.last(1)[0]?.number ?? 0 };
}

function mayHidePrompt(run: Run): boolean {
  const { watch } = run;
  if (!watch.handedOver || loginPrompt.test(watch.text)) return false;
  const init = watch.timeline.moments.find((moment) => moment.state === "init");
  return run.quietMs > nudgeAfterMs || (init !== undefined && run.now() - init.ms > chatterMs);
}

/** Watches for what comes late; gives how the boot ended if it did. */
export async function settle(run: Run): Promise<Finding | undefined> {
  const end = run.now() + run.limits.settle * 1000;
  for (;;) {
    const finding = await run.ended();
    if (finding) return finding;
    // A report that is still being printed is read to its end.
    if (run.now() >= end && !run.watch.crashes.fatal) break;
    await run.pause(Math.max(10, Math.min(100, end - run.now())));
  }
  run.watch.timeline.reach("settled", run.now());
  return undefined;
}

/** The kernel's log as the guest's own dmesg gave it. */
export interface Dmesg {
  readonly lines: readonly ConsoleLine[];
  /** It begins with the kernel's first line: nothing had been dropped from the ring. */
  readonly fromStart: boolean;
  readonly crashes: CrashWatch;
}

/** BusyBox' dmesg gives the last 16 KB unless told otherwise; -s is known to util-linux and toybox too. */
const dmesgLimitMs = 4000;
const dmesgMaximumLines = 20_000;

/** Asks the shell for dmesg. Undefined when it does not come in time, or is not one. */
export async function captureDmesg(run: Run): Promise<Dmesg | undefined> {
  const nonce = randomBytes(4).toString("hex");
  const lines: ConsoleLine[] = [];
  const crashes = new CrashWatch();
  let state: "before" | "inside" | "after" = "before";
  run.watch.divert = (line) => {
    if (line.text.includes(`BOOTGATE-${nonce}-begin`)) state = "inside";
    else if (line.text.includes(`BOOTGATE-${nonce}-end`)) state = "after";
    else if (state === "inside" && lines.length < dmesgMaximumLines) {
      lines.push(line);
      crashes.line(line, "probe");
    }
    return state === "inside";
  };
  run.type(`echo "BOOT""GATE-${nonce}-begin";dmesg -s 1048576;echo "BOOT""GATE-${nonce}-end"\n`);
  const limit = run.now() + dmesgLimitMs;
  const current = () => state;
  while (current() !== "after" && run.now() < limit && run.session.exit === undefined) await run.pause(50);
  run.watch.divert = undefined;
  if (!lines.some((line) => isStamped(line.text))) return undefined;
  return {
    lines,
    fromStart:
      current() === "after" && lines.slice(0, 5).some((line) => /\bLinux version \d/.test(line.text)),
    crashes,
  };
}
