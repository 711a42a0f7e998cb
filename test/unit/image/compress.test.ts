import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { bestCompression, chooseCompression, writeCompressed } from "../../../src/image/compress.ts";
import { scratchFolder, testContext } from "../../support/image-context.ts";

const having = (...symbols: string[]) => new Map(symbols.map((symbol) => [symbol, "y"]));

test("the best that the kernel has is taken, symbols with or without their prefix", () => {
  expect(bestCompression(having("CONFIG_RD_GZIP", "CONFIG_RD_XZ", "CONFIG_RD_ZSTD"))).toBe("zstd");
  expect(bestCompression(having("RD_XZ", "RD_GZIP"))).toBe("gzip");
  expect(bestCompression(having("RD_LZ4", "RD_XZ"))).toBe("xz");
  expect(bestCompression(new Map([["RD_ZSTD", "n"]]))).toBe("none");
});

test("what was asked for and the kernel lacks is refused with what it has", () => {
  expect(() => chooseCompression("zstd", having("RD_XZ"))).toThrow(
    expect.objectContaining({
      failureClass: "config-lost",
      message: "compression zstd needs CONFIG_RD_ZSTD=y, which this kernel does not have",
      detail: ["this kernel can unpack: none, xz"],
    }),
  );
  expect(chooseCompression("none", having())).toBe("none");
  expect(chooseCompression("xz", undefined)).toBe("xz");
  expect(chooseCompression(undefined, undefined)).toBe("none");
});

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(100_000);
  throw new Error("the source broke");
}

test.each(["none", "gzip"] as const)(
  "nothing is left when the source breaks off (%s)",
  async (compression) => {
    await using folder = await scratchFolder();
    const path = `${folder.path}/x`;
    await expect(writeCompressed(failing(), compression, path, testContext(folder.path))).rejects.toThrow(
      /source broke/,
    );
    expect(existsSync(path)).toBe(false);
  },
);

test("a program that fails is named with its own words", async () => {
  await using folder = await scratchFolder();
  const { run } = testContext(folder.path);
  const failing = testContext(folder.path, {
    run: { start: () => run.start("sh", ["-c", "echo no more memory >&2; exit 3"]) },
  });
  const write = writeCompressed(megabytes(4), "xz", `${folder.path}/x`, failing);
  await expect(write).rejects.toMatchObject({
    failureClass: "host-failed",
    message: "xz ended with exit code 3: no more memory",
  });
});

test.each(["none", "xz"] as const)(
  "a cancelled run ends the program and leaves nothing (%s)",
  async (compression) => {
    await using folder = await scratchFolder();
    const controller = new AbortController();
    const context = testContext(folder.path, { signal: controller.signal });
    const path = `${folder.path}/x`;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let index = 0; ; index++) {
        if (index === 5) controller.abort();
        yield Buffer.alloc(1 << 16, index);
      }
    }
    await expect(writeCompressed(endless(), compression, path, context)).rejects.toMatchObject({
      failureClass: "cancelled",
    });
    expect(existsSync(path)).toBe(false);
  },
);

async function* megabytes(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(1 << 20);
}
