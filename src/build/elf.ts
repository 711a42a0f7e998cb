/**
 * What an ELF file says of itself: enough to prove that a BusyBox is static and of the right machine before it is
 * packed. Layout: the System V ABI, chapter 4 and 5 (elf.h).
 */
import { open } from "node:fs/promises";

/** e_machine is the number of elf.h's EM_ constants (62: x86-64). */
export interface ElfFacts {
  readonly bits: 32 | 64;
  readonly machine: number;
  /** A program interpreter or a dynamic section with needed libraries makes it dynamic. */
  readonly interpreter: string | undefined;
}

const PT_INTERP = 3;

/** Reads the header and the program headers; undefined when the file is not ELF. Throws as fs does. */
export async function readElf(path: string): Promise<ElfFacts | undefined> {
  const file = await open(path, "r");
  try {
    const read = async (length: number, position: number): Promise<Buffer> => {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await file.read(buffer, 0, length, position);
      return buffer.subarray(0, bytesRead);
    };
    const header = await read(64, 0);
    if (header.length < 52 || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
    const wide = header[4] === 2;
    const little = header[5] === 1;
    const u16 = (buffer: Buffer, at: number) => (little ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at));
    const u32 = (buffer: Buffer, at: number) => (little ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at));
    const word = (buffer: Buffer, at: number) =>
      wide ? Number(little ? buffer.readBigUInt64LE(at) : buffer.readBigUInt64BE(at)) : u32(buffer, at);
    const machine = u16(header, 18);
    const tableAt = word(header, wide ? 32 : 28);
    const entrySize = u16(header, wide ? 54 : 42);
    const count = u16(header, wide ? 56 : 44);
    const table = await read(entrySize * count, tableAt);
    let interpreter: string | undefined;
    for (let at = 0; at + entrySize <= table.length; at += entrySize) {
      if (u32(table, at) !== PT_INTERP) continue;
      const offset = word(table, at + (wide ? 8 : 4));
      const size = word(table, at + (wide ? 32 : 16));
      interpreter = (await read(Math.min(size, 4096), offset)).toString("latin1").replace(/\0.*$/, "");
    }
    return { bits: wide ? 64 : 32, machine, interpreter };
  } finally {
    await file.close();
  }
}
