/**
 * The canary: a kernel of a few hundred bytes that tells how fast an accelerator really is. Its source is canary.S
 * beside this file; a test assembles it and compares the bytes.
 */

const base64 =
  "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAA5gAQAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAACAEAAAAAAAAEAAAAHAAAAAAAA" +
  "AAAAAAAAABAAAAAAAAAAEAAAAAAAkQEAAAAAAACRAQAAAAAAAAAQAAAAAAAABAAAAAQAAACwAAAAAAAAALAAEAAAAAAAsAAQAAAA" +
  "AAAYAAAAAAAAABgAAAAAAAAABAAAAAAAAAAEAAAACAAAABIAAABYZW4A5gAQAAAAAAAAAAAAAAAAAAAAAAAAmiAAAAAAAACSAAAX" +
  "AMgAEAD6vwAAIAAxwLkADAAA/POrxwUAACAAAxAgAMcFABAgAAMgIADHBQAgIACDAAAADyDgg8ggDyLguAAAIAAPIti5gAAAwA8y" +
  "DQABAAAPMA8gwA0BAACADyLADwEV4AAQAOpMARAACABJx8D/////QbkEAAAADzFIweIgSAnQSYnCuaCGAQD/yXX8DzFIweIgSAnQ" +
  "TCnQTDnATA9CwEH/yXXTMcBJD73A5/T06/0=";

/** The canary as an ELF file with a PVH note, for QEMU's -kernel. */
export function canaryElf(): Buffer {
  return Buffer.from(base64, "base64");
}

/** QEMU's arguments that run the canary: it ends by itself, with the exit code as its answer. */
export function canaryArguments(accel: "kvm" | "tcg", cpu: string, elf: string): string[] {
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...["-machine", "microvm", "-accel", accel, "-cpu", cpu, "-m", "64M"],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
    ...["-kernel", elf],
  ];
}

/**
 * The figure in QEMU's exit code (2n + 1 for isa-debug-exit): the number of the highest bit of the ticks that the
 * fastest round of 100,000 took. Undefined when it can't be the canary's (QEMU's own failures end with 0 or 1).
 */
export function canaryTicksLog2(exitCode: number | null): number | undefined {
  if (exitCode === null || exitCode % 2 === 0 || exitCode < 21) return undefined;
  return (exitCode - 1) / 2;
}

/**
 * From this figure on every instruction is emulated. A processor takes 2^16 to 2^19 ticks, TCG 2^19, a KVM that
 * emulates 2^26 and more (measured).
 */
export const slowTicksLog2 = 23;
