/** Patches on a source tree: in order, with fuzz reported; one that does not apply ends the run, naming file and hunk. */
import { basename } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { Failure } from "../outcome.ts";

/**
 * Applies patches with `patch -p1`.
 * @throws Failure `patch-failed`
 */
export async function applyPatches(
  tree: string,
  patches: readonly string[],
  context: Context,
  log: StageLog,
): Promise<void> {
  for (const patch of patches) {
    const { code, stdout } = await context.run.tool(
      "patch",
      ["--strip=1", "--forward", "--batch", "--no-backup-if-mismatch", "--reject-file=-", `--input=${patch}`],
      { cwd: tree, accept: [0, 1, 2] },
    );
    const lines = stdout.split("\n").filter(Boolean);
    for (const line of lines) log.output(line);
    if (code !== 0) {
      const [file, hunk] = firstRejected(lines);
      const why = file === undefined ? "it is not a patch (no lines with --- and +++)" : `${file}: ${hunk}`;
      throw new Failure("patch-failed", `${basename(patch)} does not apply: ${why}`, {
        detail: [...lines.slice(0, 40), "Nothing was built. Rebase the patch on this source."],
      });
    }
    const fuzz = lines.filter((line) => /with fuzz|offset/.test(line));
    if (fuzz.length > 0)
      context.logger.notice(`${basename(patch)} applies, but not exactly: ${fuzz.join("; ")}`);
  }
}

/** The file and the hunk of patch's first complaint. */
export function firstRejected(lines: readonly string[]): readonly [file: string | undefined, hunk: string] {
  let file: string | undefined;
  for (const line of lines) {
    file = /^(?:checking|patching) file '?([^']+?)'?$/.exec(line)?.[1] ?? file;
    if (/FAILED|malformed|can't find file|garbage|Reversed/.test(line)) return [file, line.trim()];
  }
  return [file, lines.at(-1) ?? "patch said nothing"];
}
