import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { chooseAccelerator } from "../../../src/machine/accelerator.ts";
import { architectures } from "../../../src/machine/architectures.ts";
import { canaryElf, canaryTicksLog2, slowTicksLog2 } from "../../../src/machine/canary.ts";

const source = new URL("../../../src/machine/canary.S", import.meta.url).pathname;

function assembler(): boolean {
  try {
    execFileSync("as", ["--version"], { stdio: "ignore" });
    execFileSync("ld", ["--version"], { stdio: "ignore" });
    return process.arch === "x64";
  } catch {
    return false;
  }
}

describe("the canary", () => {
  test.skipIf(!assembler())("the embedded bytes are what its source assembles to", () => {
    const folder = mkdtempSync(join(tmpdir(), "canary-"));
    try {
      execFileSync("as", ["--64", source, "-o", join(folder, "c.o")]);
      execFileSync("ld", [
        "-Ttext=0x100000",
        "--oformat",
        "binary",
        join(folder, "c.o"),
        "-o",
        join(folder, "c.elf"),
      ]);
      expect(canaryElf().equals(readFileSync(join(folder, "c.elf")))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("QEMU's own exit codes are never taken for a measurement", () => {
    expect(canaryTicksLog2(0)).toBeUndefined();
    expect(canaryTicksLog2(1)).toBeUndefined();
    expect(canaryTicksLog2(null)).toBeUndefined();
    expect(canaryTicksLog2(37)).toBe(18);
    expect(canaryTicksLog2(55)).toBeGreaterThanOrEqual(slowTicksLog2);
  });
});

describe("the choice of an accelerator", () => {
  const entry = architectures.x86_64!;
  const notices: string[] = [];
  const context = { logger: { notice: (message: string) => notices.push(message) } } as never;

  test("an absent KVM gives TCG with a notice that says so", async () => {
    const choice = await chooseAccelerator("auto", entry, context, { nodeArch: "x64", device: "/nope/kvm" });
    expect(choice.accel).toBe("tcg");
    expect(choice.reason).toContain("/nope/kvm is absent");
    expect(notices).toEqual([choice.reason]);
  });

  test("a demanded KVM that is absent, or for another architecture, is a failure of its own class", async () => {
    const demanded = (host: object) => chooseAccelerator("kvm", entry, context, host);
    await expect(demanded({ nodeArch: "x64", device: "/nope/kvm" })).rejects.toMatchObject({
      failureClass: "kvm-unusable",
    });
    await expect(demanded({ nodeArch: "arm64" })).rejects.toMatchObject({ failureClass: "kvm-unusable" });
  });

  test("TCG that was asked for needs no look at KVM", async () => {
    expect((await chooseAccelerator("tcg", entry, {} as never)).accel).toBe("tcg");
  });
});
