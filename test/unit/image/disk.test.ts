import { truncate, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { appendMaximum, checkAppend, makeDisk } from "../../../src/image/disk.ts";
import { syslinuxConfig, systemdBootEntry } from "../../../src/image/loaders.ts";
import { scratchFolder, silentLog, testContext } from "../../support/image-context.ts";

const payload = { kernel: "vmlinuz", initramfs: "initrd.img", append: "console=ttyS0,115200 x=1" };

test("both loaders are given the same kernel, initramfs and command line", () => {
  expect(syslinuxConfig(payload)).toBe(
    "SERIAL 0 115200\nPROMPT 0\nNOESCAPE 1\nTIMEOUT 10\nDEFAULT bootgate\nLABEL bootgate\n" +
      "  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND console=ttyS0,115200 x=1\n",
  );
  expect(systemdBootEntry(payload)).toBe(
    "title Bootgate\nlinux /vmlinuz\ninitrd /initrd.img\noptions console=ttyS0,115200 x=1\n",
  );
});

test("an empty command line leaves no line behind", () => {
  expect(syslinuxConfig({ ...payload, append: " " })).not.toContain("APPEND");
  expect(systemdBootEntry({ ...payload, append: "" })).not.toContain("options");
});

describe("checkAppend", () => {
  test.each(["", "a\tb", "x".repeat(appendMaximum), 'quoted="a b" ü'])("takes %j", (append) => {
    expect(() => checkAppend(append)).not.toThrow();
  });

  test.each([
    ["a\nLABEL evil", /line break/],
    ["a\rb", /line break/],
    ["a\0b", /control character/],
    ["x".repeat(appendMaximum + 1), /1985 bytes; the boot loaders can pass 1984/],
    ["ü".repeat(appendMaximum / 2) + "x", /1985 bytes/],
  ])("refuses %#", (append, message) => {
    expect(() => checkAppend(append)).toThrow(
      expect.objectContaining({ failureClass: "bad-request", message: expect.stringMatching(message) }),
    );
  });
});

test("too small is said before any program runs, with the size that would do", async () => {
  await using folder = await scratchFolder();
  const sparse = async (name: string, size: number) => {
    await writeFile(`${folder.path}/${name}`, "");
    await truncate(`${folder.path}/${name}`, size);
    return `${folder.path}/${name}`;
  };
  const context = testContext(folder.path, {
    run: {
      tool: () => {
        throw new Error("a program was run");
      },
    },
  });
  const request = {
    kernelImage: await sparse("bzImage", 13_600_000),
    initramfs: await sparse("initramfs.cpio.zst", 1_200_000),
    append: "",
    imageSize: 8 * 2 ** 20,
    loaders: { syslinux: true },
  };
  await expect(makeDisk(request, folder.path, context, silentLog)).rejects.toMatchObject({
    failureClass: "image-too-small",
    message:
      "kernel (13.0 MiB) and initramfs (1.14 MiB) do not fit into an image of 8.00 MiB: image-size 15M would do",
  });
  for (const imageSize of [-1, Number.NaN, 2 ** 50]) {
    await expect(makeDisk({ ...request, imageSize }, folder.path, context, silentLog)).rejects.toMatchObject({
      failureClass: "bad-request",
    });
  }
});
