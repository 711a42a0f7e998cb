/**
 * The layout of a FAT file system, computed before it is made. Everything that mkfs.fat would choose by itself is
 * chosen here and given to it, so that it is known beforehand whether the files fit, and so that every size boots:
 * with mkfs.fat 4.2's own choice an 8 MiB image has 4081 clusters and reserved sectors that Syslinux counts as more
 * than FAT12 can have, and refuses (tried).
 *
 * Arithmetic: Microsoft's "FAT: General Overview of On-Disk Format" 1.03, and mkfs.fat.c of dosfstools 4.2.
 */

export const sectorBytes = 512;
const fatCount = 2;
const rootEntries = 512;
const rootSectors = (rootEntries * 32) / sectorBytes;

type FatBits = 12 | 16 | 32;

/** A size of FAT entries and of clusters (bytes), with the numbers of clusters for which it is that size of FAT. */
interface Shape {
  readonly bits: FatBits;
  readonly cluster: number;
}

/**
 * How many clusters make it which FAT: the count alone tells, and readers are known to be off by up to 16 at the
 * borders 4085 and 65525, as Microsoft's paper says; so those counts are avoided.
 */
const clusterRange: Readonly<Record<FatBits, readonly [number, number]>> = {
  12: [16, 4084 - 16],
  16: [4085 + 16, 65524 - 16],
  32: [65525 + 16, 0x0ffffff5 - 16],
};

/**
 * The first shape that fits a size is taken: clusters as small as they can be without FAT32, whose tables would take
 * more room, then FAT32. The larger clusters out of order fill the gaps that the avoided borders leave.
 */
const shapes: readonly Shape[] = [
  { bits: 12, cluster: 512 },
  { bits: 16, cluster: 512 },
  { bits: 12, cluster: 1024 },
  { bits: 16, cluster: 1024 },
  { bits: 16, cluster: 2048 },
  { bits: 16, cluster: 4096 },
  { bits: 32, cluster: 4096 },
  { bits: 16, cluster: 8192 },
  { bits: 32, cluster: 16384 },
  { bits: 32, cluster: 32768 },
];

export interface Layout extends Shape {
  readonly sectors: number;
  readonly reserved: number;
  /** Sectors of one file allocation table. */
  readonly fatSectors: number;
  /** How many clusters hold files and folders. */
  readonly clusters: number;
}

/** The layout of an image of `size` bytes (a multiple of 1024); undefined when it is too small or too large for any. */
export function layoutOf(size: number): Layout | undefined {
  const sectors = Math.floor(size / sectorBytes);
  if (sectors > 0xffffffff) return undefined;
  return shapes.map((shape) => layOut(sectors, shape)).find((layout) => layout !== undefined);
}

function layOut(sectors: number, shape: Shape): Layout | undefined {
  const { bits, cluster } = shape;
  // FAT32: sector 1 is FSInfo, sector 6 the copy of the boot sector; 32 is what everyone reserves.
  const reserved = bits === 32 ? 32 : 1;
  const perCluster = cluster / sectorBytes;
  const free = sectors - reserved - (bits === 32 ? 0 : rootSectors);
  if (free <= 0) return undefined;
  // As mkfs.fat does: the clusters there could be, the tables for so many, then the clusters beside those tables.
  const fatBits = (fatCount * bits) / 8;
  const roughly = Math.floor((free * sectorBytes + fatCount * bits * 0.25) / (cluster + fatBits));
  const fatSectors = Math.ceil(Math.ceil(((roughly + 2) * bits) / 8) / sectorBytes);
  const clusters = Math.floor((free - fatCount * fatSectors) / perCluster);
  const [least, most] = clusterRange[bits];
  if (clusters < least || clusters > most) return undefined;
  return { ...shape, sectors, reserved, fatSectors, clusters };
}

/** The arguments that make mkfs.fat lay it out so, the file's name not included. */
export function mkfsArguments(
  layout: Layout,
  volume: { readonly id: string; readonly label: string },
): string[] {
  return [
    "--invariant",
    "-a", // no alignment: what is computed here is what comes out
    ...["-i", volume.id],
    ...["-n", volume.label],
    ...["-F", String(layout.bits)],
    ...["-S", String(sectorBytes)],
    ...["-s", String(layout.cluster / sectorBytes)],
    ...["-R", String(layout.reserved)],
    ...["-f", String(fatCount)],
    ...(layout.bits === 32 ? [] : ["-r", String(rootEntries)]),
  ];
}

/** How many clusters these need: files by their sizes in bytes, and folders of up to 16 names (the root not counted). */
export function clustersFor(layout: Layout, files: readonly number[], folders: number): number {
  const root = layout.bits === 32 ? 1 : 0;
  return files.reduce((sum, size) => sum + Math.ceil(size / layout.cluster), root + folders);
}

const mebibyte = 2 ** 20;

/** The smallest image, in whole MiB, that holds these files and folders. */
export function sizeThatHolds(files: readonly number[], folders: number): number {
  const least = Math.ceil(files.reduce((sum, size) => sum + size, 0) / mebibyte);
  for (let size = Math.max(1, least); ; size++) {
    const layout = layoutOf(size * mebibyte);
    if (layout !== undefined && clustersFor(layout, files, folders) <= layout.clusters)
      return size * mebibyte;
  }
}
