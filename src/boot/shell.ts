import type { Context } from "../context.ts";
import type { Machine } from "../machine/qemu.ts";
export async function attachShell(_machine: Machine, _context: Context): Promise<void> {}
