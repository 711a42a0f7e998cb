/**
 * Writes what is generated from tables: action.yml, the README's tables, and the JSON Schema of result.json. CI runs it
 * and fails when anything changes.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toJsonSchema } from "@valibot/to-json-schema";
import { needs } from "../src/host/packages.ts";
import { classes } from "../src/outcome.ts";
import { outputs } from "../src/report/outputs.ts";
import { resultSchema, schemaVersion } from "../src/report/result.ts";
import { type Input, inputs } from "../src/spec/inputs.ts";

const root = join(import.meta.dirname, "..");
const entries = Object.entries(inputs) as [string, Input][];

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const code = (text: string) => `\`${text}\``;

const tables: Readonly<Record<string, string>> = {
  inputs: table(
    ["name", "what it is", "forms", "default", "commands"],
    entries.map(([name, input]) => [
      code(name),
      input.about + (input.many ? " One item a line, or the flag again." : ""),
      input.forms,
      input.defaultShown ?? (input.default ? code(input.default) : ""),
      input.commands.map(code).join(" "),
    ]),
  ),
  outputs: table(
    ["name", "what it is"],
    Object.entries(outputs).map(([name, { about }]) => [code(name), about]),
  ),
  classes: table(
    ["class", "kind", "what happened", "what to do"],
    Object.entries(classes)
      .filter(([name]) => name !== "passed")
      .map(([name, entry]) => [code(name), entry.kind, entry.meaning, entry.advice]),
  ),
  packages: table(
    ["for", "Debian and Ubuntu packages"],
    Object.entries(needs).map(([part, list]) => [
      part,
      [...new Set(list.map((need) => need.package))].map(code).join(" "),
    ]),
  ),
};

function quoted(text: string): string {
  return JSON.stringify(text);
}

function actionYaml(): string {
  const inputLines = entries
    .filter(([, input]) => input.commands.includes("run"))
    .flatMap(([name, input]) => [
      `  ${name}:`,
      `    description: ${quoted(`${input.about}${input.many ? " One item a line." : ""} Forms: ${input.forms}`)}`,
      // Defaults stay in the tool: a workflow and a terminal must not differ by a file.
      "    required: false",
    ]);
  const outputLines = Object.entries(outputs).flatMap(([name, { about }]) => [
    `  ${name}:`,
    `    description: ${quoted(about)}`,
  ]);
  return [
    "# Generated from src/spec/inputs.ts and src/report/outputs.ts by `npm run docs`: do not edit.",
    "name: Bootgate",
    "description: Builds a minimal Linux, boots it headless in QEMU and fails the job when no shell comes up.",
    "branding:",
    "  icon: terminal",
    "  color: green",
    "inputs:",
    ...inputLines,
    "outputs:",
    ...outputLines,
    "runs:",
    "  using: node24",
    "  main: dist/action.js",
    "",
  ].join("\n");
}

async function fillTables(file: string): Promise<void> {
  const path = join(root, file);
  let text = await readFile(path, "utf8");
  for (const [name, content] of Object.entries(tables)) {
    const block = new RegExp(`(<!-- table:${name} -->\\n)[\\s\\S]*?(<!-- end -->)`, "g");
    text = text.replace(block, (_, start: string, end: string) => `${start}\n${content}\n\n${end}`);
  }
  await writeFile(path, text);
}

const schema = toJsonSchema(resultSchema, { errorMode: "ignore" });
await writeFile(
  join(root, "docs", "result.schema.json"),
  `${JSON.stringify({ ...schema, title: `Bootgate's result.json, schemaVersion ${schemaVersion}` }, null, 2)}\n`,
);
await writeFile(join(root, "action.yml"), actionYaml());
await fillTables("README.md");
