/**
 * From power-on to the probe's answer, and what is asked of the guest after it. A prompt alone proves nothing; the
 * answer does.
 */
import { randomBytes, randomInt } from "node:crypto";
import type { ConsoleLine } from "./console.ts";
import { CrashWatch } from "./crash.ts";
import { isStamped } from "./printk.ts";
import { type Answer, defaultPrompt, loginPrompt, Probe, promptStands, Schedule } from "./probe.ts";
import type { Run } from "./run.ts";
import type { Finding } from "./verdict.ts";

/** A console that has been quiet this long may hide a prompt that was torn apart, or wait for Enter. */
const nudgeAfterMs = 1500;
/** And behind a prompt of an unknown form there may be a shell all the same. */
const blindAfterMs = 4000;

export type Proof = { readonly answer: Answer } | { readonly finding: Finding };

/** Waits for the prompt, probes, waits for the answer; or says how the boot ended instead. */
export async function untilProven(run: Run): Promise<Proof> {
  const { watch } = run;
  const probe = new Probe(randomBytes(4).toString("hex"), [randomInt(100, 999), randomInt(100, 999)]);
  const prompt = run.plan.prompt === undefined ? defaultPrompt : new RegExp(run.plan.prompt);
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
    const finding = await run.ended();
    if (finding) return { finding };

    if (!watch.timeline.has("prompt") && promptStands(said, prompt))
      watch.timeline.reach("prompt", run.now());
    if (watch.timeline.has("prompt")) {
      // A second try begins with Enter: what stands on the line may be half of the first.
      if (probing.due(run.now())) run.session.send(probing.count > 1 ? `\n${probe.sent}` : probe.sent);
    } else if (watch.handedOver && !loginPrompt.test(said) && run.quietMs > nudgeAfterMs) {
      const blind = run.plan.prompt === undefined && run.quietMs > blindAfterMs;
      if (blind && probing.due(run.now())) run.session.send(`\n${probe.sent}`);
      else if (nudging.due(run.now())) run.session.send("\n");
    }
    await run.pause(100);
  }
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
  };
  run.session.send(`echo "BOOT""GATE-${nonce}-begin";dmesg;echo "BOOT""GATE-${nonce}-end"\n`);
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
