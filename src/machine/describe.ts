/** From what was asked and built to one machine, described whole. */
import { open } from "node:fs/promises";
import { exists } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import type { Spec } from "../spec/spec.ts";
import { type Accelerator, type Architecture, type BootPath, bootPathOf } from "./architectures.ts";
import type { Disk, Machine } from "./qemu.ts";

/** The files that a machine can be given; absolute paths. */
export interface Images {
  readonly kernel?: string | undefined;
  readonly vmlinux?: string | undefined;
  readonly initramfs?: string | undefined;
  readonly disk?: string | undefined;
  /** The kernel command line for paths that attach a kernel. */
  readonly append: string;
}

type Asked = Pick<Spec, "memory" | "cpus" | "cpu" | "network" | "qemuArgs">;

/**
 * Describes the machine of one boot path.
 * @throws Failure `missing-program` when the path's firmware is not installed
 */
export async function describeMachine(
  asked: Asked,
  arch: Architecture,
  path: BootPath,
  accel: Accelerator,
  images: Images,
): Promise<Machine> {
  const entry = bootPathOf(arch, path);
  const kernel = entry.kernelFile === "vmlinux" ? images.vmlinux : images.kernel;
  return {
    arch: arch.name,
    path,
    accel,
    memory: `${Math.max(1, Math.floor(asked.memory / 2 ** 20))}M`,
    cpus: asked.cpus,
    ...(asked.cpu === undefined ? {} : { cpu: asked.cpu }),
    ...(entry.attaches === "kernel"
      ? {
          ...(kernel === undefined ? {} : { kernel }),
          ...(images.initramfs === undefined ? {} : { initramfs: images.initramfs }),
          append: images.append,
        }
      : images.disk === undefined
        ? {}
        : { disk: { path: images.disk, format: await diskFormat(images.disk) } }),
    ...(entry.firmware ? { firmware: await firmwareOf(arch) } : {}),
    network: asked.network,
    extra: asked.qemuArgs,
  };
}

async function firmwareOf(arch: Architecture) {
  for (const files of arch.firmware) {
    if ((await exists(files.code)) && (await exists(files.vars))) return files;
  }
  throw new Failure("missing-program", "UEFI firmware for QEMU is not installed (Debian's package ovmf)");
}

/** Magic bytes: qcow2's header, and the volume descriptor of ISO 9660 at sector 16 (ECMA-119, 8.1.2). */
const formats: readonly {
  readonly format: Disk["format"];
  readonly offset: number;
  readonly magic: string;
}[] = [
  { format: "qcow2", offset: 0, magic: "QFI\u00fb" },
  { format: "iso", offset: 0x8001, magic: "CD001" },
];

/** What kind of image a file is, by its content: a name proves nothing. */
export async function diskFormat(path: string): Promise<Disk["format"]> {
  const file = await open(path, "r");
  try {
    for (const { format, offset, magic } of formats) {
      const buffer = Buffer.alloc(magic.length);
      await file.read(buffer, 0, magic.length, offset);
      if (buffer.toString("latin1") === magic) return format;
    }
    return "raw";
  } finally {
    await file.close();
  }
}
