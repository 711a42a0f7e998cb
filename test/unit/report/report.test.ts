import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { Boot } from "../../../src/boot/plan.ts";
import { Failure } from "../../../src/outcome.ts";
import { conclude, noFindings } from "../../../src/report/conclude.ts";
import { renderJunit } from "../../../src/report/junit.ts";
import { outputsOf } from "../../../src/report/outputs.ts";
import { renderChecksums } from "../../../src/report/report.ts";
import { resultSchema } from "../../../src/report/result.ts";
import { renderSbom } from "../../../src/report/sbom.ts";
import { renderSummary } from "../../../src/report/summary.ts";
import { parseSpec } from "../../../src/spec/spec.ts";

const spec = parseSpec({}, { arch: "x86_64", installPackages: false });
const sha256 = "a".repeat(64);

const bios: Boot = {
  path: "bios",
  accel: "tcg",
  accelReason: "because",
  verdict: {
    class: "panic",
    kind: "failed",
    title: "Kernel panic: <b>|`x`\u0000 ]]> & in foo",
    reached: "kernel",
    excerpt: [{ line: 7, text: "[    1.0] Kernel panic \u001b[31m```\u0001" }],
  },
  timeline: [
    { state: "qemu-started", ms: 0 },
    { state: "kernel", ms: 1500 },
  ],
  commands: [],
  counted: { warnings: 0, allowed: 0 },
  tainted: null,
  console: "serial-bios.log",
  screenshot: null,
  dmesg: null,
  qemu: ["qemu-system-x86_64"],
};

const findings = {
  ...noFindings(),
  sources: [
    {
      ...{
        name: "linux" as const,
        version: "6.18.55",
        form: "auto",
        origin: "somewhere",
        sha256,
        verifiedBy: "a pin",
      },
      unpack: async () => {},
    },
  ],
  artifacts: [{ name: "boot.img", path: "/out/boot.img", sha256, size: 64 }],
  stages: [{ name: "kernel", key: sha256, hit: true, ms: 5, cpuMs: 0 }],
};

const passed = {
  ...bios,
  verdict: { ...bios.verdict, class: "passed", kind: "passed", title: "a shell answered" },
} as const;

describe("a result", () => {
  it("passes when every boot did, and is what its schema says", () => {
    const result = conclude(spec, { ...findings, boots: [passed] }, undefined, "/out");
    expect(result).toMatchObject({ outcome: "passed", class: "passed" });
    expect(v.safeParse(resultSchema, result).issues).toBeUndefined();
    expect(result.artifacts[0]?.path).toBe("boot.img");
  });

  it("is the first bad boot's, and a failure's before any boot's", () => {
    expect(conclude(spec, { ...findings, boots: [passed, bios] }, undefined, "/out")).toMatchObject({
      outcome: "failed",
      class: "panic",
    });
    const failure = new Failure("disk-full", "no room", { detail: ["0 bytes free"] });
    expect(conclude(spec, { ...findings, boots: [bios] }, failure, "/out")).toMatchObject({
      ...{ outcome: "world", class: "disk-full", title: "no room", detail: ["0 bytes free"] },
    });
  });

  it("is in the story's order, whatever ended first", () => {
    const stage = (name: string) => ({ ...findings.stages[0]!, name });
    const file = (name: string) => ({ ...findings.artifacts[0]!, name });
    const result = conclude(
      spec,
      {
        ...findings,
        stages: ["busybox", "kernel", "disk", "initramfs"].map(stage),
        artifacts: ["vmlinux", "busybox", "boot.img"].map(file),
        boots: [],
      },
      undefined,
      "/out",
    );
    expect(result.stages.map(({ name }) => name)).toEqual(["kernel", "busybox", "initramfs", "disk"]);
    expect(result.artifacts.map(({ name }) => name)).toEqual(["boot.img", "busybox", "vmlinux"]);
  });

  it("gives a workflow its outputs", () => {
    expect(outputsOf(conclude(spec, { ...findings, boots: [bios] }, undefined, "/out"), "/out")).toEqual({
      outcome: "failed",
      class: "panic",
      title: expect.stringContaining("bios: Kernel panic"),
      "kernel-version": "6.18.55",
      accel: "tcg",
      "cache-hit": "true",
      "cache-key": sha256,
      out: "/out",
      result: "/out/result.json",
      "boot-image": "/out/boot.img",
      "boot-image-sha256": sha256,
    });
  });
});

describe("what a guest prints", () => {
  const result = conclude(spec, { ...findings, boots: [bios] }, undefined, "/out");

  it("can't break the XML", () => {
    const xml = renderJunit(result);
    expect(xml).not.toMatch(/[\u0000-\u0008\u001b]/);
    expect(xml).toContain("&lt;b&gt;");
    expect(xml).toContain('failures="1"');
    expect(xml).toContain('type="panic"');
    expect(xml).toContain('name="kernel" time="1.500"');
  });

  it("can't break the Markdown", () => {
    const markdown = renderSummary(result);
    expect(markdown).toContain("&lt;b>\\|'x'");
    expect(markdown).not.toMatch(/^```/m);
    expect(markdown).not.toContain("\u001b");
  });
});

describe("checksums and the bill of materials", () => {
  const result = conclude(spec, findings, undefined, "/out");
  it("are as sha256sum and CycloneDX have them", () => {
    expect(renderChecksums(result.artifacts)).toBe(`${sha256}  boot.img\n`);
    const sbom = JSON.parse(renderSbom(result, "1.2.3"));
    expect(sbom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
    expect(sbom.components[0]).toMatchObject({
      name: "linux",
      version: "6.18.55",
      hashes: [{ content: sha256 }],
    });
    expect(renderSbom(result, "1.2.3")).toBe(renderSbom(result, "1.2.3"));
  });
});
