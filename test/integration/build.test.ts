/** The build room's parts against the real programs: patch, gcc, make and a small Kbuild-like tree. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readElf } from "../../src/build/elf.ts";
import { make } from "../../src/build/make.ts";
import { applyPatches } from "../../src/build/patches.ts";
import { findToolchain } from "../../src/build/toolchain.ts";
import { Failure } from "../../src/outcome.ts";
import { type TestContext, testContext } from "../support/context.ts";

const log = { output: () => {}, progress: () => {} };

async function failure(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Failure) return error;
  throw new Error(`expected a Failure, got ${error}`);
}

describe("patches", () => {
  async function tree(context: TestContext): Promise<string> {
    const folder = join(context.root, "tree");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "main.c"), "one\ntwo\nthree\nfour\nfive\n");
    return folder;
  }
  const patch = (old: string) =>
    `--- a/main.c\n+++ b/main.c\n@@ -1,5 +1,5 @@\n one\n two\n-${old}\n+THREE\n four\n five\n`;

  it("apply in order", async () => {
    await using context = await testContext();
    const folder = await tree(context);
    const file = join(context.root, "a.patch");
    await writeFile(file, patch("three"));
    await applyPatches(folder, [file], context, log);
    expect(await readFile(join(folder, "main.c"), "utf8")).toContain("THREE");
  });

  it("say file and hunk when one does not apply", async () => {
    await using context = await testContext();
    const folder = await tree(context);
    const file = join(context.root, "bad.patch");
    await writeFile(file, patch("drei"));
    const error = await failure(applyPatches(folder, [file], context, log));
    expect(error.failureClass).toBe("patch-failed");
    expect(error.message).toMatch(/bad\.patch does not apply: main\.c: .*Hunk #1 FAILED/);
  });

  it("say so when a file is no patch at all", async () => {
    await using context = await testContext();
    const folder = await tree(context);
    const file = join(context.root, "junk.patch");
    await writeFile(file, "this is a letter\n");
    const error = await failure(applyPatches(folder, [file], context, log));
    expect(error.message).toContain("junk.patch does not apply: it is not a patch");
  });

  it("report fuzz and offsets", async () => {
    await using context = await testContext();
    const folder = await tree(context);
    await writeFile(join(folder, "main.c"), "zero\none\ntwo\nthree\nfour\nfive\n");
    const file = join(context.root, "a.patch");
    await writeFile(file, patch("three"));
    await applyPatches(folder, [file], context, log);
    expect(context.said.join()).toMatch(/a\.patch applies, but not exactly.*offset 1 line/);
  });
});

describe("make", () => {
  it("puts the compiler's errors first, and keeps the whole log", async () => {
    await using context = await testContext();
    await writeFile(join(context.root, "broken.c"), "int main(void) { return nothing; }\n");
    await writeFile(join(context.root, "Makefile"), "all:\n\t@echo chatter\n\t$(CC) -c broken.c\n");
    const toolchain = await findToolchain("", "off", context);
    const logFile = join(context.folders.out, "logs", "make.log");
    const request = { what: "the kernel", tree: context.root, args: ["all"], toolchain, logFile };
    const error = await failure(make(request, context, log));
    expect(error.failureClass).toBe("compile-failed");
    expect(error.message).toMatch(
      /^the kernel does not compile: broken\.c:1:\d+: error: .nothing. undeclared/,
    );
    expect(await readFile(logFile, "utf8")).toContain("chatter");
  });

  it("counts the CPU time of the compilers", async () => {
    await using context = await testContext();
    await writeFile(
      join(context.root, "Makefile"),
      "all:\n\t@i=0; while [ $$i -lt 300000 ]; do i=$$((i+1)); done\n",
    );
    const toolchain = await findToolchain("", "off", context);
    const logFile = join(context.folders.out, "make.log");
    const cpuMs = await make(
      { what: "x", tree: context.root, args: ["all"], toolchain, logFile },
      context,
      log,
    );
    expect(cpuMs).toBeGreaterThan(50);
  });
});

describe("ELF", () => {
  it.each([
    ["static", ["-static"], undefined],
    ["dynamic", [], "/lib64/ld-linux-x86-64.so.2"],
  ])("a %s program is known as such", async (_, flags, interpreter) => {
    await using context = await testContext();
    await writeFile(join(context.root, "a.c"), "int main(void) { return 0; }\n");
    const program = join(context.root, "a.out");
    execFileSync("gcc", [...flags, "-o", program, join(context.root, "a.c")]);
    expect(await readElf(program)).toEqual({ bits: 64, machine: 62, interpreter });
  });

  it("what is not ELF is said to be none", async () => {
    expect(await readElf(import.meta.filename)).toBeUndefined();
  });
});
