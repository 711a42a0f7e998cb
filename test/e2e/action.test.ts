/** The workflow's door: the committed bundle started as a runner starts it, with inputs as INPUT_* and files for outputs. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../support/cli.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bootgate-action-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function act(inputs: Readonly<Record<string, string>>, more: Readonly<Record<string, string>> = {}) {
  const [output, summary] = [join(folder, "output"), join(folder, "summary")];
  await Promise.all([writeFile(output, ""), writeFile(summary, "")]);
  const env = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
  );
  const end = spawnSync(process.execPath, [join(root, "dist", "action.js")], {
    encoding: "utf8",
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
      GITHUB_WORKSPACE: folder,
      ...env,
      ...more,
    },
  });
  return { code: end.status, stdout: end.stdout, outputs: await readFile(output, "utf8") };
}

describe("the Action", () => {
  it("refuses wrong inputs all at once, as an annotation, before anything starts", async () => {
    const { code, stdout, outputs } = await act({ profile: "minmal", accel: "kvn" });
    expect(code).toBe(2);
    expect(stdout).toMatch(/^::error::bad-request.*did you mean minimal\?.*did you mean kvm\?/m);
    expect(outputs).toMatch(/class<<.*\nbad-request/);
  });

  it("never replaces the kernel that it names: without a mirror it ends, kind world", async () => {
    // Nothing listens on port 9 of this computer: a network that answers nobody, wherever the test runs.
    const { code, stdout, outputs } = await act({ kernel: "6.13" }, { https_proxy: "http://127.0.0.1:9" });
    expect(stdout).not.toContain("using linux");
    expect(stdout).toMatch(/^::error::source-unreachable/m);
    expect(code).toBe(3);
    expect(outputs).toMatch(/outcome<<.*\nworld/);
  });
});
