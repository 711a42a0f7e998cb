/**
 * Which accelerator a machine gets, and why. A /dev/kvm that opens and creates machines can still emulate every
 * instruction (CASES 18), so it is judged by the canary. Judged each time: permissions change while a job runs.
 */
import { constants } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { Failure } from "../outcome.ts";
import type { Accelerator, Architecture } from "./architectures.ts";
import { canaryArguments, canaryElf, canaryTicksLog2, slowTicksLog2 } from "./canary.ts";

export type AcceleratorWish = "auto" | Accelerator;

export interface AcceleratorChoice {
  readonly accel: Accelerator;
  /** A sentence, for the record and for the reader. */
  readonly reason: string;
}

/** What the canary may take, in milliseconds; a working KVM needs some 50. */
const canaryBudgetMs = 2000;

export interface KvmState {
  readonly usable: boolean;
  readonly reason: string;
}

/**
 * Chooses. `auto` falls back to TCG with a notice; `kvm` does not.
 * @throws Failure `kvm-unusable` when KVM was demanded and can't be used
 */
export async function chooseAccelerator(
  wanted: AcceleratorWish,
  architecture: Architecture,
  context: Context,
  host: { readonly nodeArch?: string; readonly device?: string } = {},
): Promise<AcceleratorChoice> {
  if (wanted === "tcg") return { accel: "tcg", reason: "Software emulation (TCG) was asked for." };
  const kvm = await inspectKvm(architecture, context, host);
  if (kvm.usable) return { accel: "kvm", reason: kvm.reason };
  if (wanted === "kvm") {
    throw new Failure("kvm-unusable", `accel: kvm was asked for, but ${lowered(kvm.reason)}`);
  }
  const reason = `Software emulation (TCG), since ${lowered(kvm.reason)}`;
  context.logger.notice(reason);
  return { accel: "tcg", reason };
}

/** Judges this computer's KVM for an architecture: there, permitted, and as fast as it should be. */
export async function inspectKvm(
  architecture: Architecture,
  context: Context,
  host: { readonly nodeArch?: string; readonly device?: string } = {},
): Promise<KvmState> {
  const device = host.device ?? "/dev/kvm";
  const nodeArch = host.nodeArch ?? process.arch;
  if (architecture.nodeArch !== nodeArch) {
    return {
      usable: false,
      reason: `KVM runs guests of the host's architecture alone, and ${architecture.name} is not ${nodeArch}'s.`,
    };
  }
  const closed = await whyNotOpen(device);
  if (closed !== undefined) return { usable: false, reason: closed };
  return runCanary(architecture, context, device);
}

async function whyNotOpen(device: string): Promise<string | undefined> {
  try {
    await (await open(device, constants.O_RDWR)).close();
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "ENOENT")
      return `${device} is absent: no hardware virtualisation here, or its module is not loaded.`;
    if (code === "EACCES" || code === "EPERM") {
      return `${device} is forbidden to this user (it belongs to the group kvm, mode 0660, on most systems).`;
    }
    return `${device} can't be opened (${code}).`;
  }
}

async function runCanary(architecture: Architecture, context: Context, device: string): Promise<KvmState> {
  const folder = await mkdtemp(join(context.folders.temporary, "canary-"));
  try {
    const elf = join(folder, "canary.elf");
    await writeFile(elf, canaryElf());
    const started = context.now();
    const program = context.run.start(architecture.qemu, canaryArguments("kvm", architecture.cpu.kvm, elf));
    let stderr = "";
    program.child.stdin.end();
    program.child.stdout.resume();
    program.child.stderr.on("data", (data: Buffer) => {
      stderr = (stderr + data.toString("utf8")).slice(-4096);
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void program.stop(0);
    }, canaryBudgetMs);
    const exit = await program.finished.finally(() => clearTimeout(timer));
    context.signal.throwIfAborted();
    const seconds = ((context.now() - started) / 1000).toFixed(2);
    return judged(device, late ? "late" : exit.code, seconds, stderr.trim().split("\n")[0] ?? "");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function judged(device: string, code: number | null | "late", seconds: string, stderr: string): KvmState {
  if (code === "late") {
    return {
      usable: false,
      reason: `${device} opens, but a test of ${canaryBudgetMs / 1000} s did not end under it: this KVM emulates, or does not run.`,
    };
  }
  const ticks = canaryTicksLog2(code);
  if (ticks === undefined) {
    return {
      usable: false,
      reason: `${device} opens, but QEMU could not run a test under it: ${stderr || `exit code ${code}`}.`,
    };
  }
  if (ticks >= slowTicksLog2) {
    return {
      usable: false,
      reason: `${device} opens, but this KVM emulates every instruction: 100,000 loops took 2^${ticks} ticks, a processor needs 2^16 to 2^19.`,
    };
  }
  return {
    usable: true,
    reason: `Hardware virtualisation (KVM): a test under it ran at the processor's speed (2^${ticks} ticks, ${seconds} s).`,
  };
}

/** A sentence to go on with, inside another: a path or an acronym at its head stays as it is. */
function lowered(sentence: string): string {
  return /^[A-Z][a-z]/.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence;
}
