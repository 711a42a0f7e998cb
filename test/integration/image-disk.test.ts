/** boot.img against the real programs. Whether it boots is left to the end-to-end suite: the payload is made up. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, open, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { type DiskRequest, diskPrograms, makeDisk, volume } from "../../src/image/disk.ts";
import { layoutOf, mkfsArguments } from "../../src/image/fat.ts";
import { toolVersions } from "../../src/image/tools.ts";
import { scratchFolder, silentLog, testContext } from "../support/image-context.ts";

const MiB = 2 ** 20;

/** Bytes that look like nothing, the same each time. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let index = 0, state = 1; index < size; index++) {
    state = (state * 1103515245 + 12345) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

async function requestIn(folder: string, changes: Partial<DiskRequest> & { kernelSize?: number } = {}) {
  const { kernelSize = 1_500_000, ...rest } = changes;
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/bzImage`, noise(kernelSize));
  await writeFile(`${folder}/initramfs.cpio.zst`, noise(700_001));
  await writeFile(`${folder}/systemd-bootx64.efi`, noise(120_000));
  return {
    kernelImage: `${folder}/bzImage`,
    initramfs: `${folder}/initramfs.cpio.zst`,
    append: "console=ttyS0,115200",
    imageSize: 16 * MiB,
    loaders: {
      syslinux: true,
      efi: { bootFile: "BOOTX64.EFI", systemdBoot: `${folder}/systemd-bootx64.efi` },
    },
    ...rest,
  } satisfies DiskRequest;
}

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8", stdio: "pipe" });
const read = (image: string, place: string) =>
  execFileSync("mcopy", ["-n", "-i", image, `::/${place}`, "-"], { maxBuffer: 64 * MiB });

test("the image holds both loaders and the very bytes, and fsck.fat finds nothing wrong", async () => {
  await using folder = await scratchFolder();
  const request = await requestIn(folder.path);
  const image = await makeDisk(request, folder.path, testContext(folder.path), silentLog);
  expect(image).toMatchObject({ name: "boot.img", path: `${folder.path}/boot.img`, size: 16 * MiB });
  run("fsck.fat", "-n", image.path);
  const names = run("mdir", "-b", "-/", "-a", "-i", image.path, "::").trim().split("\n").sort();
  expect(names).toEqual([
    "::/EFI/",
    "::/EFI/BOOT/",
    "::/EFI/BOOT/BOOTX64.EFI",
    "::/initrd.img",
    "::/ldlinux.c32",
    "::/ldlinux.sys",
    "::/loader/",
    "::/loader/entries/",
    "::/loader/entries/bootgate.conf",
    "::/loader/loader.conf",
    "::/syslinux.cfg",
    "::/vmlinuz",
  ]);
  expect(read(image.path, "vmlinuz").equals(await readFile(request.kernelImage))).toBe(true);
  expect(read(image.path, "initrd.img").equals(await readFile(request.initramfs))).toBe(true);
  expect(read(image.path, "syslinux.cfg").toString()).toMatch(/^SERIAL 0 115200\n/);
  expect((await readFile(image.path)).toString("latin1", 3, 11)).toBe("SYSLINUX");
  // Sparse: what is not written takes no room.
  expect((await stat(image.path)).blocks * 512).toBeLessThan(5 * MiB);
});

test("is the same to the byte under another umask, time zone, date, mode, home and folder", async () => {
  await using folder = await scratchFolder();
  const first = await makeDisk(
    await requestIn(`${folder.path}/a`),
    `${folder.path}/a`,
    testContext(folder.path),
    silentLog,
  );
  const other = `${folder.path}/-i x, 'two' $(b)@@1s`;
  const request = await requestIn(other);
  await utimes(request.kernelImage, 1, 1);
  await chmod(request.kernelImage, 0o755);
  await chmod(request.initramfs, 0o400);
  const home = `${folder.path}/home`;
  await mkdir(home);
  await writeFile(`${home}/.mtoolsrc`, "mtools_lower_case=1\nmtools_no_vfat=1\n");
  const env = { HOME: home, TZ: "Pacific/Kiritimati", SOURCE_DATE_EPOCH: "1", TMPDIR: "/nowhere" };
  const before = process.umask(0o077);
  try {
    const second = await makeDisk(request, other, testContext(folder.path, { env }), silentLog);
    expect(second.sha256).toBe(first.sha256);
  } finally {
    process.umask(before);
  }
});

test("the size that an image-too-small names does, and one MiB less does not", {
  timeout: 60_000,
}, async () => {
  await using folder = await scratchFolder();
  const context = testContext(folder.path);
  for (const kernelSize of [600_000, 4_500_000, 13_600_000, 33_000_000]) {
    const request = await requestIn(folder.path, { kernelSize, imageSize: 100_000 });
    const failure = await makeDisk(request, folder.path, context, silentLog).catch((error: Error) => error);
    const size = Number(/image-size (\d+)M would do$/.exec((failure as Error).message)?.[1]);
    const image = await makeDisk({ ...request, imageSize: size * MiB }, folder.path, context, silentLog);
    run("fsck.fat", "-n", image.path);
    expect(read(image.path, "vmlinuz").length).toBe(kernelSize);
    await rm(image.path);
    const less = makeDisk({ ...request, imageSize: (size - 1) * MiB }, folder.path, context, silentLog);
    await expect(less).rejects.toMatchObject({ failureClass: "image-too-small" });
    expect(await stat(image.path).catch(() => "not there")).toBe("not there");
  }
});

test("the very last cluster can be used: a kernel of just the size that fits is written, one byte more refused", async () => {
  await using folder = await scratchFolder();
  const context = testContext(folder.path);
  const fits = async (kernelSize: number) => {
    const request = await requestIn(folder.path, { kernelSize, imageSize: 4 * MiB });
    const made = await makeDisk(request, folder.path, context, silentLog).catch((error) => error);
    if (made instanceof Error) expect(made).toMatchObject({ failureClass: "image-too-small" });
    return !(made instanceof Error);
  };
  let [low, high] = [1_000_000, 4_000_000];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await fits(middle)) low = middle;
    else high = middle;
  }
  expect(low % 512).toBe(0);
});

describe("the layout that is computed is the one that mkfs.fat makes, and Syslinux takes it", () => {
  test.each([1.40625, 2.1, 3, 8, 16, 32, 63, 64, 128, 256, 256.3, 512, 2048])("%d MiB", async (mebibytes) => {
    await using folder = await scratchFolder();
    const layout = layoutOf(Math.ceil(mebibytes * 1024) * 1024)!;
    const image = `${folder.path}/x`;
    const file = await open(image, "w+");
    await file.truncate(layout.sectors * 512);
    run("mkfs.fat", ...mkfsArguments(layout, volume), image);
    const { buffer } = await file.read({ buffer: Buffer.alloc(512), position: 0 });
    await file.close();
    // The BIOS parameter block (Microsoft's FAT paper): the 16-bit fields are 0 when the 32-bit ones are used.
    const reserved = buffer.readUInt16LE(14);
    const rootSectors = buffer.readUInt16LE(17) / 16;
    const sectors = buffer.readUInt16LE(19) || buffer.readUInt32LE(32);
    const fatSectors = buffer.readUInt16LE(22) || buffer.readUInt32LE(36);
    const perCluster = buffer[13]!;
    const clusters = Math.floor((sectors - reserved - rootSectors - 2 * fatSectors) / perCluster);
    const bits = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
    expect({ bits, cluster: perCluster * 512, sectors, reserved, fatSectors, clusters }).toEqual(layout);
    run("syslinux", "--install", image);
    run("fsck.fat", "-n", image);
  });
});

test("an architecture without Syslinux gets a disk with the UEFI loader alone, under its firmware's name", async () => {
  await using folder = await scratchFolder();
  const efi = { bootFile: "BOOTAA64.EFI", systemdBoot: `${folder.path}/systemd-bootx64.efi` };
  const request = await requestIn(folder.path, { loaders: { syslinux: false, efi } });
  const image = await makeDisk(request, folder.path, testContext(folder.path), silentLog);
  const names = run("mdir", "-b", "-/", "-i", image.path, "::");
  expect(names).toContain("::/EFI/BOOT/BOOTAA64.EFI");
  expect(names).not.toMatch(/linux\.(sys|c32|cfg)/);
});

test("a failing program leaves nothing under the final name and no scratch behind", async () => {
  await using folder = await scratchFolder();
  const request = await requestIn(`${folder.path}/in`);
  const into = `${folder.path}/into`;
  await mkdir(into);
  const real = testContext(folder.path).run;
  const tool: typeof real.tool = (program, args, options) =>
    real.tool(program === "mcopy" ? "false" : program, args, options);
  await expect(
    makeDisk(request, into, testContext(folder.path, { run: { tool } }), silentLog),
  ).rejects.toThrow();
  expect(run("ls", "-A", into)).toBe("");
});

test("every program says its version", async () => {
  await using folder = await scratchFolder();
  const tools = await toolVersions([...diskPrograms, "gzip", "xz", "zstd", "lz4"], testContext(folder.path));
  for (const { version, sha256 } of tools) {
    expect(version).toMatch(/^\d+\.\d/);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  }
});
