/** How long a boot may take, and how long it may be silent: one small table, in seconds, by accelerator. */
import type { Accelerator } from "../machine/architectures.ts";
import type { State } from "./timeline.ts";

export interface Limits {
  /** The whole boot, wall time. */
  readonly timeout: number;
  /** Before the first byte: OVMF works for 4 CPU seconds under TCG before it says a word. */
  readonly first: Silence;
  /** Silence before the kernel speaks: firmware, boot loader, decompressor. */
  readonly early: Silence;
  /** Silence of a kernel or an init that has spoken. */
  readonly late: Silence;
  /** From the prompt to the probe's answer. */
  readonly probe: Silence;
  /** Watched after the last proof. */
  readonly settle: number;
}

/** Seconds in which all processors wait for an interrupt, and CPU seconds in which they work. */
export interface Silence {
  readonly idle: number;
  readonly busy: number;
}

export const limits: Readonly<Record<Accelerator, Limits>> = {
  kvm: {
    timeout: 60,
    first: { idle: 8, busy: 25 },
    early: { idle: 6, busy: 8 },
    late: { idle: 15, busy: 20 },
    probe: { idle: 10, busy: 15 },
    settle: 1,
  },
  // Under translation a guest is some 10-20 times slower; a kernel of 40 MB takes 3 s to unpack.
  tcg: {
    timeout: 180,
    first: { idle: 8, busy: 25 },
    early: { idle: 6, busy: 8 },
    late: { idle: 20, busy: 30 },
    probe: { idle: 15, busy: 30 },
    settle: 1,
  },
};

/** What a request may set, in seconds. `silence` stands for all limits on silence. */
export interface LimitOptions {
  readonly timeout?: number | undefined;
  readonly silence?: number | undefined;
  readonly settle?: number | undefined;
}

export function limitsFor(accel: Accelerator, options: LimitOptions): Limits {
  const base = limits[accel];
  const silence =
    options.silence === undefined ? undefined : { idle: options.silence, busy: options.silence };
  return {
    timeout: options.timeout ?? base.timeout,
    first: silence ?? base.first,
    early: silence ?? base.early,
    late: silence ?? base.late,
    probe: silence ?? base.probe,
    settle: options.settle ?? base.settle,
  };
}

/** The limit on silence in a state. */
export function silenceIn(state: State, all: Limits): Silence {
  if (state === "qemu-started") return all.first;
  if (state === "prompt") return all.probe;
  return state === "kernel" || state === "init" ? all.late : all.early;
}
