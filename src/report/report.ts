/** Writes a result into the out folder: result.json and what is rendered from it. Each file appears whole. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { type Artifact, copyAtomically, makeFolder, writeAtomically } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import { renderJunit } from "./junit.ts";
import type { Result } from "./result.ts";
import { renderSbom } from "./sbom.ts";
import { renderSummary } from "./summary.ts";

/** `sha256sum --check` reads this. */
export function renderChecksums(artifacts: Result["artifacts"]): string {
  return artifacts.map((file) => `${file.sha256}  ${file.name}\n`).join("");
}

/** Every report file's name and text. */
export function renderReport(result: Result): Readonly<Record<string, string>> {
  return {
    "junit.xml": renderJunit(result),
    "summary.md": renderSummary(result),
    ...(result.artifacts.length === 0
      ? {}
      : {
          SHA256SUMS: renderChecksums(result.artifacts),
          "sbom.cdx.json": renderSbom(result, packageJson.version),
        }),
    // Last: who finds a result.json finds all the rest.
    "result.json": `${JSON.stringify(result, null, 2)}\n`,
  };
}

/** Writes the report. */
export async function writeReport(result: Result, out: string): Promise<void> {
  for (const [name, text] of Object.entries(renderReport(result)))
    await writeAtomically(join(out, name), text);
}

/** Copies a stage's files into the out folder; gives them as they lie there. */
export async function publish(files: readonly Artifact[], out: string): Promise<Artifact[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = join(out, file.name);
      await copyAtomically(file.path, path);
      return { ...file, path };
    }),
  );
}

/** What a run writes into the out folder. Anything else there belongs to somebody else and stays. */
const ours = {
  evidence: [
    /^(result\.json|junit\.xml|summary\.md|SHA256SUMS|sbom\.cdx\.json)$/,
    /^(serial|dmesg)-\w+\.log$/,
    /^screen-\w+\.png$/,
  ],
  images: [
    /^(bzImage|vmlinux|System\.map|(kernel|busybox)\.config|busybox|boot\.img)$/,
    /^initramfs\.cpio(\.\w+)?$/,
    /^logs$/,
  ],
} as const;

/** Says that the out folder's files are Bootgate's; also when a run was killed before it could report. */
const marker = ".bootgate";

/**
 * Removes what an earlier run left in the out folder, so that nothing old is taken for this run's. A run that only
 * boots leaves the images: they may be what it is to boot.
 * @throws Failure `bad-request` when files of those names are there and no run of Bootgate made them: `--out .` in a
 *   kernel tree must not cost anybody a vmlinux
 */
export async function clearOut(out: string, kinds: readonly (keyof typeof ours)[]): Promise<void> {
  const names = await readdir(out).catch(() => [] as string[]);
  const patterns = kinds.flatMap((kind): readonly RegExp[] => ours[kind]);
  const old = names.filter((name) => patterns.some((pattern) => pattern.test(name)));
  if (old.length > 0 && !names.includes(marker)) {
    throw new Failure("bad-request", `out: ${out} holds ${old.join(", ")}, which Bootgate did not make`, {
      detail: ["Nothing was touched. Name a new or empty folder with --out."],
    });
  }
  await makeFolder(out, "bad-request", "name another folder with --out");
  await writeAtomically(join(out, marker), "This folder's results are written and removed by Bootgate.\n");
  for (const name of old) await rm(join(out, name), { recursive: true, force: true });
}
