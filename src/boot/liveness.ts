/**
 * What the guest is doing when it says nothing, so that a slow host is not taken for a dead guest: the processors'
 * registers through QEMU's monitor, and the time that QEMU has spent on the guest.
 */
import { readFileSync } from "node:fs";
import type { Qmp } from "../machine/qmp.ts";

export interface CpuState {
  /** Waiting in HLT. */
  readonly halted: boolean;
  /** EFLAGS.IF: an interrupt would wake it. */
  readonly interrupts: boolean;
  /** Current privilege level; 3 is a user program. */
  readonly privilege: number;
  readonly ip: bigint;
}

/**
 * `dead`: every processor halted with interrupts off, which nothing but a reset ends. `idle`: every processor waits for
 * an interrupt. `user`: one of them runs a program. `busy`: the kernel, the boot loader or the firmware works or spins.
 */
export type Doing = "dead" | "idle" | "user" | "busy" | "unknown";

/** Reads the text of `info registers -a` (QEMU target/i386/cpu-dump.c). */
export function parseRegisters(text: string): CpuState[] {
  const found: CpuState[] = [];
  const pattern = /[RE]IP=([0-9a-f]+) [RE]FL=([0-9a-f]+).*?CPL=(\d).*?HLT=(\d)/g;
  for (const match of text.matchAll(pattern)) {
    found.push({
      ip: BigInt(`0x${match[1]}`),
      interrupts: (Number.parseInt(match[2]!, 16) & 0x200) !== 0,
      privilege: Number(match[3]),
      halted: match[4] === "1",
    });
  }
  return found;
}

export function doingOf(cpus: readonly CpuState[]): Doing {
  if (cpus.length === 0) return "unknown";
  if (cpus.every((cpu) => cpu.halted)) return cpus.some((cpu) => cpu.interrupts) ? "idle" : "dead";
  return cpus.some((cpu) => !cpu.halted && cpu.privilege === 3) ? "user" : "busy";
}

/** True when a processor is at an address where only a running kernel is (the upper half; Documentation/arch/x86/x86_64/mm.rst). */
export function inKernel(cpus: readonly CpuState[]): boolean {
  return cpus.some((cpu) => cpu.ip >= 0xffff_8000_0000_0000n);
}

export interface Sample {
  readonly doing: Doing;
  readonly inKernel: boolean;
}

/** Looks at the processors once. A QEMU that does not answer gives `unknown`. */
export async function sampleGuest(qmp: Qmp): Promise<Sample> {
  try {
    const cpus = parseRegisters(await qmp.monitor("info registers -a", 2000));
    return { doing: doingOf(cpus), inKernel: inKernel(cpus) };
  } catch {
    return { doing: "unknown", inKernel: false };
  }
}

/** CPU milliseconds that a process and its threads have spent (proc(5), utime + stime in ticks of 10 ms). */
export function cpuMsOf(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

/**
 * How long a guest has been silent, in the time that counts: CPU milliseconds while it works, wall milliseconds while
 * it waits. A host that gives the guest no time does not make it silent.
 */
export class SilenceClock {
  /** Wall milliseconds in which every processor waited. */
  idleMs = 0;
  /** CPU milliseconds in which it worked. */
  busyMs = 0;
  /** Wall milliseconds, without a break, in which every processor was halted for good. */
  deadMs = 0;
  #at: { now: number; cpuMs: number } | undefined;

  /** The guest spoke. */
  reset(now: number, cpuMs: number): void {
    this.idleMs = 0;
    this.busyMs = 0;
    this.deadMs = 0;
    this.#at = { now, cpuMs };
  }

  /** The guest did not speak since the last call. A step counts a second at most: the machine may have been suspended. */
  add(doing: Doing, now: number, cpuMs: number): void {
    const before = this.#at ?? { now, cpuMs };
    const wall = Math.min(now - before.now, 1000);
    const cpu = Math.min(cpuMs - before.cpuMs, 1000 * 8);
    this.#at = { now, cpuMs };
    if (doing === "idle" || doing === "dead") this.idleMs += wall;
    else this.busyMs += Math.min(cpu, wall);
    this.deadMs = doing === "dead" ? this.deadMs + wall : 0;
  }
}
