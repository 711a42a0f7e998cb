/**
 * A boot as a sequence of states with times, and the words on the console by which each is recognised: a table, each
 * entry with where the words come from.
 */
import { kernelText } from "./printk.ts";

/** In the order in which a boot goes through them. */
export const states = [
  "qemu-started",
  "first-byte",
  "firmware",
  "boot-loader",
  "kernel",
  "init",
  "prompt",
  "probe",
  "settled",
] as const;

export type State = (typeof states)[number];

/** When a state was first reached, milliseconds after QEMU was spawned. */
export interface Moment {
  readonly state: State;
  readonly ms: number;
}

interface Marker {
  readonly state: State;
  readonly pattern: RegExp;
  readonly source: string;
}

export const markers: readonly Marker[] = [
  { state: "firmware", pattern: /SeaBIOS \(version/, source: "SeaBIOS src/bootsplash.c" },
  { state: "firmware", pattern: /^Booting from (?!ROM)/, source: "SeaBIOS src/boot.c" },
  { state: "firmware", pattern: /BdsDxe: /, source: "edk2 BdsDxe" },
  { state: "boot-loader", pattern: /^(SYS|ISO|EXT|PXE)LINUX \d/, source: "Syslinux" },
  {
    state: "boot-loader",
    pattern: /^Booting from ROM/,
    source: "SeaBIOS, before QEMU's linuxboot option ROM",
  },
  {
    state: "boot-loader",
    pattern: /BdsDxe: starting Boot\d+ (?!"EFI Internal Shell")/,
    source: "edk2 BdsDxe, handing over to what it found on a disk",
  },
  { state: "boot-loader", pattern: /GRUB loading|GNU GRUB/, source: "GRUB" },
  { state: "kernel", pattern: /^Linux version \d/, source: "init/main.c linux_banner, without PRINTK_TIME" },
  { state: "init", pattern: /^Run \S+ as init process/, source: "init/main.c run_init_process, from 5.8 on" },
];

/**
 * Signs that the kernel's own code was entered, though printk has not spoken: what comes after is not the boot
 * loader's failure any more.
 */
export const handedOver: readonly RegExp[] = [
  /^Booting from ROM/, // QEMU loads the kernel before the machine starts
  /^Decompressing Linux|^early console in/, // arch/x86/boot/compressed/misc.c under earlyprintk
  /^EFI stub: /, // drivers/firmware/efi/libstub
];

/** As the console's last words, these say that the boot loader had read all its files, and started the kernel. */
export const loadedAll = /^Loading \S.*\.\. *o?ok$/; // Syslinux; its words come doubled

/** The states of one boot and their times. A state that is passed over without a sign of its own is not listed. */
export class Timeline {
  readonly moments: Moment[] = [];

  /** Notes a state; only the first time counts, and only forward. True when it is new. */
  reach(state: State, ms: number): boolean {
    if (states.indexOf(state) <= states.indexOf(this.reached) && this.moments.length > 0) return false;
    this.moments.push({ state, ms: Math.round(ms) });
    return true;
  }

  /** The furthest state. */
  get reached(): State {
    return this.moments.at(-1)?.state ?? "qemu-started";
  }

  /** True when a state, or one behind it, was reached. */
  has(state: State): boolean {
    return this.moments.length > 0 && states.indexOf(this.reached) >= states.indexOf(state);
  }
}

/** The states that a line of the console shows, in order. */
export function statesOf(line: string): State[] {
  const kernel = kernelText(line);
  const found: State[] = kernel ? ["kernel"] : [];
  const text = kernel?.text ?? line;
  for (const marker of markers) {
    if (marker.pattern.test(text)) found.push(marker.state);
  }
  return found;
}
