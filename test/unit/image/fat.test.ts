import { describe, expect, test } from "vitest";
import { clustersFor, layoutOf, mkfsArguments, sizeThatHolds } from "../../../src/image/fat.ts";

const MiB = 2 ** 20;

describe("layoutOf", () => {
  test.each([
    [1474560, { bits: 12, cluster: 512, fatSectors: 9, clusters: 2829 }],
    [8 * MiB, { bits: 16, cluster: 512, fatSectors: 64, clusters: 16223 }],
    [64 * MiB, { bits: 16, cluster: 1024, fatSectors: 255, clusters: 65264 }],
    [256 * MiB, { bits: 16, cluster: 4096, fatSectors: 256, clusters: 65467 }],
    [512 * MiB, { bits: 32, cluster: 4096 }],
  ])("%i bytes", (size, expected) => {
    expect(layoutOf(size)).toMatchObject(expected);
  });

  test("every size from 64 KiB to 4 GiB has one, with a number of clusters that no reader can mistake", () => {
    for (let size = 64 * 1024; size < 4096 * MiB; size = Math.ceil((size * 1.003) / 1024) * 1024) {
      const layout = layoutOf(size);
      expect(layout, `${size} bytes`).toBeDefined();
      for (const border of [4085, 65525])
        expect(Math.abs(layout!.clusters - border)).toBeGreaterThanOrEqual(16);
    }
  });

  test("nothing has no layout", () => {
    expect(layoutOf(0)).toBeUndefined();
    expect(layoutOf(16 * 1024)).toBeUndefined();
  });
});

test("mkfs.fat is told everything", () => {
  expect(mkfsArguments(layoutOf(64 * MiB)!, { id: "b007ca7e", label: "BOOTGATE" }).join(" ")).toBe(
    "--invariant -a -i b007ca7e -n BOOTGATE -F 16 -S 512 -s 2 -R 1 -f 2 -r 512",
  );
  expect(mkfsArguments(layoutOf(512 * MiB)!, { id: "b007ca7e", label: "X" })).not.toContain("-r");
});

test("the size that is named holds the files, and one MiB less does not", () => {
  for (const bytes of [100_000, 1_500_000, 3_000_000, 15_000_000, 40_000_000, 300_000_000]) {
    const files = [bytes, 700_000, 20];
    const size = sizeThatHolds(files, 4);
    const layout = layoutOf(size)!;
    expect(clustersFor(layout, files, 4)).toBeLessThanOrEqual(layout.clusters);
    const less = layoutOf(size - MiB);
    if (less !== undefined) expect(clustersFor(less, files, 4)).toBeGreaterThan(less.clusters);
  }
});
