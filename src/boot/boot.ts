/**
 * One boot, from a plan to a verdict with its evidence: QEMU is started, the console watched until a shell has proved
 * itself or the boot has failed, the evidence written, and QEMU ended.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { sha256OfFile, writeAtomically } from "../host/files.ts";
import { commandByHand, type Machine, shellQuoted } from "../machine/qemu.ts";
import { Failure } from "../outcome.ts";
import { type Crash, severity } from "./crash.ts";
import { limitsFor } from "./limits.ts";
import type { Boot, BootPlan, FailOn } from "./plan.ts";
import { captureDmesg, type Dmesg, settle, untilProven } from "./proof.ts";
import { Run, worst } from "./run.ts";
import { type Finding, type Verdict, verdictOf } from "./verdict.ts";

/**
 * Boots a machine once and judges it. Whatever the guest does ends in a verdict; evidence (serial-, screen-,
 * dmesg-<path>) is in the out folder then, and also when the run is cancelled.
 * @throws Failure `cancelled`; `missing-program`; `disk-full`; `host-failed` when an image was written to
 */
export async function bootOnce(plan: BootPlan, context: Context, log: StageLog): Promise<Boot> {
  const { machine } = plan;
  const out = context.folders.out;
  const evidence = {
    console: `serial-${machine.path}.log`,
    screenshot: `screen-${machine.path}.png`,
    dmesg: `dmesg-${machine.path}.log`,
  };
  const qemu = commandByHand(machine);
  log.output(shellQuoted(qemu));
  await mkdir(out, { recursive: true });
  const before = await hashesOf(machine);

  const run = new Run(plan, limitsFor(machine.accel, plan.limits ?? {}), context);
  let judged: Judged;
  let screenshot = false;
  try {
    await run.start(join(out, evidence.console));
    judged = await judge(run, plan.failOn ?? "warning");
    screenshot = await run.session.screenshot(join(out, evidence.screenshot));
  } finally {
    await run.session?.stop();
  }
  run.proceed();
  if (run.session.log.error) throw run.session.log.error;
  if (judged.dmesg) {
    await writeAtomically(
      join(out, evidence.dmesg),
      judged.dmesg.lines.map((line) => `${line.text}\n`).join(""),
    );
  }
  await proveUnchanged(before, machine);

  return {
    path: machine.path,
    accel: machine.accel,
    accelReason: plan.accelReason,
    verdict: judged.verdict,
    timeline: run.watch.timeline.moments,
    commands: [],
    counted: { warnings: run.watch.crashes.counts.get("warning") ?? 0, allowed: 0 },
    tainted: judged.tainted ?? null,
    console: evidence.console,
    screenshot: screenshot ? evidence.screenshot : null,
    dmesg: judged.dmesg ? evidence.dmesg : null,
    qemu,
  };
}

interface Judged {
  readonly verdict: Verdict;
  readonly tainted?: number | undefined;
  readonly dmesg?: Dmesg | undefined;
}

async function judge(run: Run, failOn: FailOn): Promise<Judged> {
  const proof = await untilProven(run);
  if ("finding" in proof) return { verdict: await failed(run, proof.finding, failOn) };
  const { tainted } = proof.answer;
  const late = await settle(run);
  if (late) return { verdict: await failed(run, late, failOn), tainted };
  const dmesg = await captureDmesg(run);
  const crash =
    reported(run, dmesg, failOn) ??
    taintFinding(tainted, failOn) ??
    run.watch.crashes.doubt ??
    (await cutShort(run));
  const { reached } = run.watch.timeline;
  if (crash) return { verdict: verdictOf(crash, reached, excerptOf(run, crash)), tainted, dmesg };
  return {
    verdict: verdictOf({ class: "passed", title: "a shell answered", line: 0 }, reached, []),
    tainted,
    dmesg,
  };
}

/** An uncompressed archive that ends too early: the kernel does not say a word about it. */
async function cutShort(run: Run): Promise<Finding | undefined> {
  const reason = await run.plan.inspectInitramfs?.("plain");
  return reason === undefined ? undefined : { class: "initramfs-corrupt", title: reason, line: 0 };
}

/** The verdict of a boot that ended before its proof. An oops on the way explains a silence better than the silence. */
async function failed(run: Run, ending: Finding, failOn: FailOn): Promise<Verdict> {
  let finding = ending;
  if (explainable.has(finding.class)) finding = reported(run, undefined, failOn) ?? finding;
  if (initramfsSuspects.has(finding.class)) {
    const reason = await run.plan.inspectInitramfs?.("all");
    if (reason !== undefined) {
      finding = { ...finding, class: "initramfs-corrupt", title: `${reason} (then: ${finding.title})` };
    }
  }
  return verdictOf(finding, run.watch.timeline.reached, excerptOf(run, finding));
}

const explainable: ReadonlySet<string> = new Set([
  "no-prompt",
  "probe-failed",
  "timeout",
  "unexpected-reboot",
]);
const initramfsSuspects: ReadonlySet<string> = new Set(["no-init", "no-rootfs", "panic", "init-died"]);

const threshold: Readonly<Record<FailOn, 1 | 2 | 3>> = { warning: 1, oops: 2, panic: 3 };

/** The worst report of the kernel that the policy counts. */
function reported(run: Run, dmesg: Dmesg | undefined, failOn: FailOn): Finding | undefined {
  const counts = (crash: Crash) => (severity(crash.class) >= threshold[failOn] ? severity(crash.class) : 0);
  const inDmesg = dmesg && worst(dmesg.crashes.crashes, counts);
  const onConsole = worst(run.watch.crashes.crashes, counts);
  // What the kernel's whole log does not know was some program's words.
  if (dmesg?.fromStart && !inDmesg) return undefined;
  return onConsole ?? inDmesg;
}

/** Bits of /proc/sys/kernel/tainted (Documentation/admin-guide/tainted-kernels.rst): D, an oops or BUG; W, a warning. */
function taintFinding(tainted: number | undefined, failOn: FailOn): Finding | undefined {
  if (tainted === undefined) return undefined;
  if (tainted & 128 && threshold[failOn] <= 2) {
    return {
      class: "oops",
      title: "the kernel is tainted: it has died (D) without a word on the console",
      line: 0,
    };
  }
  if (tainted & 512 && threshold[failOn] <= 1) {
    return {
      class: "warning",
      title: "the kernel is tainted: it has warned (W) without a word on the console",
      line: 0,
    };
  }
  return undefined;
}

function excerptOf(run: Run, finding: Finding) {
  if (run.session.exit !== undefined && run.watch.bytes === 0 && run.session.stderr.trim() !== "") {
    const lines = run.session.stderr.trim().split("\n").slice(-20);
    return lines.map((text, index) => ({ number: index + 1, text }));
  }
  const last = "lastLine" in finding ? (finding as Crash).lastLine : 0;
  return run.watch.excerpt(last > 0 ? finding.line : 0, last);
}

type Hashes = ReadonlyMap<string, string>;

async function hashesOf(machine: Machine): Promise<Hashes> {
  const paths = [machine.kernel, machine.initramfs, machine.disk?.path].filter((path) => path !== undefined);
  const hash = async (path: string) => {
    try {
      return [path, await sha256OfFile(path)] as const;
    } catch (cause) {
      throw new Failure("bad-request", `${path} can't be read: ${(cause as Error).message}`, { cause });
    }
  };
  return new Map(await Promise.all(paths.map(hash)));
}

async function proveUnchanged(before: Hashes, machine: Machine): Promise<void> {
  const after = await hashesOf(machine);
  for (const [path, hash] of before) {
    if (after.get(path) === hash) continue;
    throw new Failure(
      "host-failed",
      `${path} changed while it was booted: ${hash} before, ${after.get(path)} after`,
    );
  }
}
