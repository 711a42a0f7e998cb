/**
 * boot.img: one FAT file system without a partition table, made without root, mounting or a loop device, which boots
 * under BIOS (Syslinux in its boot sector) and under UEFI (systemd-boot under the name that firmware looks for). Both
 * loaders start the same kernel and initramfs with the same command line.
 *
 * All programs work inside one scratch folder on fixed names, so that no path of the user's (commas, spaces, "@@",
 * dashes) means anything to them, and nothing of where, when and under which umask they run is in the bytes.
 */
import { mkdtemp, open, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { type Artifact, artifactOf } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import { clustersFor, type Layout, layoutOf, mkfsArguments, sizeThatHolds } from "./fat.ts";
import { type Loaders, loaderFiles, syslinuxFiles } from "./loaders.ts";
import { imageEpoch } from "./newc.ts";

export interface DiskRequest {
  readonly kernelImage: string;
  readonly initramfs: string;
  /** The whole kernel command line. */
  readonly append: string;
  /** Bytes; rounded up to whole KiB. */
  readonly imageSize: number;
  readonly loaders: Loaders;
}

/** The programs that make a disk. */
export const diskPrograms = ["mkfs.fat", "mmd", "mcopy", "syslinux"] as const;

/** Volume label and serial number: fixed, since mkfs.fat makes the latter from the clock. */
export const volume = { id: "b007ca7e", label: "BOOTGATE" } as const;

/** The largest disk that FAT and the BIOS's 32-bit sector numbers leave sensible, bytes. */
const imageMaximum = 2 ** 40;

/** What COMMAND_LINE_SIZE (2048 on x86_64) leaves beside what the loaders add: BOOT_IMAGE=…, initrd=…, the final NUL. */
export const appendMaximum = 1984;

/** A file of the image: its place in it, and where its bytes come from. */
interface Part {
  readonly place: string;
  readonly source: { readonly path: string } | { readonly text: string };
}

/**
 * Makes boot.img in a folder. The same inputs give the same bytes, whatever the umask, time zone, dates, modes.
 * @throws Failure `bad-request` for a command line that no loader can carry, `image-too-small` (said before any
 *   program runs, with the size that would do), `missing-program`, `disk-full`
 */
export async function makeDisk(
  request: DiskRequest,
  into: string,
  context: Context,
  log: StageLog,
): Promise<Artifact> {
  checkAppend(request.append);
  const parts = partsOf(request);
  const layout = await checkSize(request, parts);
  const scratch = await mkdtemp(join(into, ".boot-"));
  try {
    await fill(scratch, layout, parts, request.loaders, context, log);
    const path = join(into, "boot.img");
    await rename(join(scratch, image), path);
    return await artifactOf(path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @throws Failure `bad-request` for what can't be written into a line of a loader's configuration */
export function checkAppend(append: string): void {
  const bad = /[\u0000-\u0008\u000a-\u001f\u007f]/.exec(append)?.[0];
  if (bad !== undefined) {
    const name =
      bad === "\n" || bad === "\r" ? "a line break" : `the control character ${JSON.stringify(bad)}`;
    throw new Failure("bad-request", `append: the kernel command line holds ${name}`);
  }
  const length = Buffer.byteLength(append);
  if (length > appendMaximum) {
    const title = `append: the kernel command line has ${length} bytes; the boot loaders can pass ${appendMaximum}`;
    throw new Failure("bad-request", title);
  }
}

function partsOf({ kernelImage, initramfs, append, loaders }: DiskRequest): readonly Part[] {
  return [
    { place: "vmlinuz", source: { path: resolve(kernelImage) } },
    { place: "initrd.img", source: { path: resolve(initramfs) } },
    ...loaderFiles(loaders, { kernel: "vmlinuz", initramfs: "initrd.img", append }),
  ];
}

async function sizeOf({ source }: Part): Promise<number> {
  return "path" in source ? (await stat(source.path)).size : Buffer.byteLength(source.text);
}

/** The layout of the image. @throws Failure `image-too-small`, `bad-request` when it is larger than FAT can be */
async function checkSize({ imageSize, loaders }: DiskRequest, parts: readonly Part[]): Promise<Layout> {
  if (!Number.isSafeInteger(imageSize) || imageSize < 0 || imageSize > imageMaximum) {
    throw new Failure(
      "bad-request",
      `image-size: ${imageSize} bytes is no size for a disk; the largest is 1T`,
    );
  }
  const sizes = await Promise.all(parts.map(sizeOf));
  const files = [...sizes, ...(loaders.syslinux ? syslinuxFiles.map(({ size }) => size) : [])];
  const folders = foldersOf(parts).length;
  const layout = layoutOf(Math.ceil(imageSize / 1024) * 1024);
  if (layout !== undefined && clustersFor(layout, files, folders) <= layout.clusters) return layout;
  const [kernel = 0, initramfs = 0] = sizes;
  const enough = `${sizeThatHolds(files, folders) / 2 ** 20}M`;
  throw new Failure(
    "image-too-small",
    `kernel (${megabytes(kernel)}) and initramfs (${megabytes(initramfs)}) do not fit into an image of ` +
      `${megabytes(imageSize)}: image-size ${enough} would do`,
    {
      detail: [
        `kernel: ${kernel} bytes`,
        `initramfs: ${initramfs} bytes`,
        `boot loaders: ${files.slice(2).reduce((sum, size) => sum + size, 0)} bytes`,
        `image-size: ${imageSize} bytes; the smallest that would do, in whole MiB: ${enough}`,
      ],
    },
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 2 : 1)} MiB`;
}

/** Every folder that the places are in, parents first. */
function foldersOf(parts: readonly Part[]): readonly string[] {
  const folders = new Set<string>();
  for (const { place } of parts) {
    for (let end = place.indexOf("/"); end !== -1; end = place.indexOf("/", end + 1))
      folders.add(place.slice(0, end));
  }
  return [...folders].sort();
}

const image = "boot.img";

async function fill(
  scratch: string,
  layout: Layout,
  parts: readonly Part[],
  loaders: Loaders,
  context: Context,
  log: StageLog,
): Promise<void> {
  // HOME: mtools reads ~/.mtoolsrc, which could change names and case. TMPDIR: where syslinux keeps its own mtoolsrc.
  const env = { TZ: "UTC", SOURCE_DATE_EPOCH: String(imageEpoch), HOME: scratch, TMPDIR: scratch };
  const run = async (program: (typeof diskPrograms)[number], ...args: string[]) => {
    log.output([program, ...args].join(" "));
    const { stdout, stderr } = await context.run.tool(program, args, { cwd: scratch, env });
    for (const line of `${stdout}${stderr}`.split("\n")) if (line.trim() !== "") log.output(line);
  };
  const file = await open(join(scratch, image), "wx", 0o644);
  await file.truncate(layout.sectors * 512); // sparse: room is taken only by what is written
  await file.close();
  await run("mkfs.fat", ...mkfsArguments(layout, volume), image);
  if (loaders.syslinux) await run("syslinux", "--install", image);
  const folders = foldersOf(parts);
  if (folders.length > 0) await run("mmd", "-i", image, ...folders.map((folder) => `::/${folder}`));
  for (const [index, { place, source }] of parts.entries()) {
    const name = `part-${index}`;
    if ("path" in source) await symlink(source.path, join(scratch, name));
    else await writeFile(join(scratch, name), source.text);
    await run("mcopy", "-i", image, name, `::/${place}`);
    log.progress({ done: index + 1, total: parts.length, note: `boot.img: ${place}` });
  }
}
