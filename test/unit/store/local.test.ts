import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  listEntries,
  localStore,
  makingFolder,
  pruneEntries,
  sweepAbandoned,
  verifyEntries,
} from "../../../src/store/local.ts";
import { keyOf, remember } from "../../../src/store/remember.ts";
import { testContext } from "../../support/context.ts";

const key = (name: string) => keyOf("stage", { name });

async function keepFile(context: Awaited<ReturnType<typeof testContext>>, name: string, text: string) {
  return remember(context, "stage", { name }, async (folder) => {
    await writeFile(join(folder, "file"), text);
    return { value: { text } };
  });
}

describe("a stage that is remembered", () => {
  it("is made once, and comes back whole", async () => {
    await using context = await testContext();
    const first = await keepFile(context, "a", "hello");
    const second = await keepFile(context, "a", "never written");
    expect([first.stage.hit, second.stage.hit]).toEqual([false, true]);
    expect(second.value).toEqual({ text: "hello" });
    expect(await readFile(second.files[0]!.path, "utf8")).toBe("hello");
    expect(second.files[0]!.sha256).toBe(first.files[0]!.sha256);
  });

  it("is made again when a stored byte has flipped, with a warning, and to the same outcome", async () => {
    await using context = await testContext();
    const first = await keepFile(context, "a", "hello");
    await writeFile(first.files[0]!.path, "hellp");
    const second = await keepFile(context, "a", "hello");
    expect(second.stage.hit).toBe(false);
    expect(second.files[0]!.sha256).toBe(first.files[0]!.sha256);
    expect(context.said.join()).toMatch(/stage is damaged.*another SHA-256/);
    expect((await keepFile(context, "a", "hello")).stage.hit).toBe(true);
  });

  it("leaves nothing under a final name when making it fails", async () => {
    await using context = await testContext();
    const failing = remember(context, "stage", {}, async (folder) => {
      await writeFile(join(folder, "half"), "half");
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await listEntries(context.folders.cache)).toEqual([]);
    expect(await readdir(join(context.folders.cache, "making"))).toEqual([]);
  });

  it("is right for both of two runs that make it at once", async () => {
    await using context = await testContext();
    const both = await Promise.all([keepFile(context, "a", "same"), keepFile(context, "a", "same")]);
    for (const one of both) expect(await readFile(one.files[0]!.path, "utf8")).toBe("same");
    expect(await listEntries(context.folders.cache)).toHaveLength(1);
  });

  it("is looked up by what went into it, whatever the order it was written in", () => {
    expect(keyOf("s", { a: 1, b: { c: [1, 2], d: undefined } })).toBe(keyOf("s", { b: { c: [1, 2] }, a: 1 }));
    expect(keyOf("s", { a: [1, 2] })).not.toBe(keyOf("s", { a: [2, 1] }));
    expect(keyOf("s", {})).not.toBe(keyOf("t", {}));
  });
});

describe("the store's modes", () => {
  it("read keeps nothing, write finds nothing, off does neither", async () => {
    await using context = await testContext();
    const root = context.folders.cache;
    const in_ = (mode: "read" | "write" | "off") => ({ ...context, store: localStore(root, mode, () => {}) });
    await keepFile({ ...context, ...in_("read") }, "a", "x");
    expect(await listEntries(root)).toEqual([]);
    await keepFile({ ...context, ...in_("write") }, "a", "x");
    expect(await listEntries(root)).toHaveLength(1);
    expect((await keepFile({ ...context, ...in_("write") }, "a", "x")).stage.hit).toBe(false);
    expect((await keepFile({ ...context, ...in_("off") }, "a", "x")).stage.hit).toBe(false);
    expect((await keepFile({ ...context, ...in_("read") }, "a", "x")).stage.hit).toBe(true);
  });
});

describe("looking after the store", () => {
  it("verify names a damaged entry, prune removes what was used longest ago", async () => {
    await using context = await testContext();
    const root = context.folders.cache;
    const a = await keepFile(context, "a", "aaaa");
    await keepFile(context, "b", "bbbb");
    expect((await verifyEntries(root)).map((entry) => entry.damage)).toEqual([undefined, undefined]);
    await writeFile(a.files[0]!.path, "aa");
    expect((await verifyEntries(root)).find((entry) => entry.key === key("a"))?.damage).toContain("2 bytes");
    expect(await pruneEntries(root, 4)).toHaveLength(1);
    expect(await listEntries(root)).toHaveLength(1);
    await pruneEntries(root, 0);
    expect(await listEntries(root)).toEqual([]);
  });

  it("sweeps what a killed run left, and not what a living one is making", async () => {
    await using context = await testContext();
    const root = context.folders.cache;
    const mine = await makingFolder(root, "run");
    const dead = mine.replace(`-${process.pid}-`, "-4194399-");
    const elsewhere = join(root, "making", "run.0123abcd-1-01234567");
    for (const folder of [dead, elsewhere]) await mkdir(folder, { recursive: true });
    await sweepAbandoned(root);
    expect((await readdir(join(root, "making"))).sort()).toEqual(
      [basename(mine), basename(elsewhere)].sort(),
    );
  });
});
