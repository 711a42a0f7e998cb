/** summary.md: the result for people, as a workflow's job summary shows it too. */
import { classes } from "../outcome.ts";
import type { Result } from "./result.ts";

const mark = { passed: "✅", failed: "❌", request: "⚠️", world: "⚠️" } as const;

/** Text of guests and tools inside Markdown: no fence, pipe or tag of theirs takes effect. */
function cell(text: string): string {
  return text
    .replace(/[\u0000-\u001f]/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("|", "\\|")
    .replaceAll("`", "'");
}

/** "12.3 MB", decimal. */
export function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""].join("\n");
}

/** The file's text. */
export function renderSummary(result: Result): string {
  const advice = classes[result.class].advice;
  return [
    `## ${mark[result.outcome]} Bootgate: ${cell(result.title)}`,
    "",
    ...(result.outcome === "passed" ? [] : [`**${result.class}** — ${advice}`, ""]),
    table(
      ["boot", "verdict", "accelerator", "reached", "to the prompt"],
      result.boots.map((boot) => [
        boot.path,
        `${mark[boot.verdict.kind]} ${cell(boot.verdict.title)}`,
        boot.accel,
        boot.verdict.reached,
        promptSeconds(boot),
      ]),
    ),
    table(
      ["source", "version", "from", "verified by"],
      result.sources.map((source) => [
        source.name,
        cell(source.version),
        cell(source.origin),
        cell(source.verifiedBy),
      ]),
    ),
    table(
      ["file", "size", "SHA-256"],
      result.artifacts.map((file) => [file.name, megabytes(file.size), `\`${file.sha256}\``]),
    ),
    table(
      ["stage", "from the store", "seconds", "CPU seconds"],
      result.stages.map((stage) => [
        stage.name,
        stage.hit ? "yes" : "no",
        (stage.ms / 1000).toFixed(1),
        (stage.cpuMs / 1000).toFixed(1),
      ]),
    ),
    ...result.boots.filter((boot) => boot.verdict.kind !== "passed").map(excerpt),
  ].join("\n");
}

function promptSeconds(boot: Result["boots"][number]): string {
  const prompt = boot.timeline.find((entry) => entry.state === "prompt");
  return prompt === undefined ? "—" : `${(prompt.ms / 1000).toFixed(1)} s`;
}

function excerpt(boot: Result["boots"][number]): string {
  const lines = boot.verdict.excerpt.map(({ line, text }) => `${String(line).padStart(6)}  ${text}`);
  // Indented, not fenced: nothing a guest prints can end an indented block.
  const block = lines.map((line) => `    ${line.replace(/[\u0000-\u001f]/g, " ")}`);
  return [`### ${boot.path}: the console's decisive lines`, "", ...block, ""].join("\n");
}
