/**
 * Why a Kconfig symbol did not survive: finds the symbol in the tree's Kconfig language and names the part of its
 * dependencies that the final configuration does not meet. Grammar: Documentation/kbuild/kconfig-language.rst.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { nearest } from "../nearest.ts";
import type { Config } from "./kconfig.ts";

/** One `config` block: its conditions, and whether a person may set it. */
export interface Definition {
  readonly symbol: string;
  /** Expressions that must all hold: `depends on`, and those of the enclosing `if`, `menu` and `choice` blocks. */
  readonly conditions: readonly string[];
  readonly prompt: boolean;
}

/** Where a tree's Kconfig language starts. */
export interface KconfigRoot {
  /** Looked in by turns: BusyBox writes some files into its build folder. */
  readonly folders: readonly string[];
  readonly file: string;
  /** What stands for `$(NAME)` in `source` lines. */
  readonly variables: Readonly<Record<string, string>>;
}

const sourceLine = /^(?:\s*source\s+"([^"]+)"|source\s+(\S+))\s*$/;
const deepest = 32;

/** The whole language as one text: every `source` line replaced by its file, so that conditions around it hold inside. */
export async function readKconfig(root: KconfigRoot, file = root.file, depth = 0): Promise<string> {
  const text = await firstFile(root.folders, file);
  const lines = await Promise.all(
    text.split("\n").map(async (line) => {
      const match = sourceLine.exec(line);
      const name = match?.[1] ?? match?.[2];
      if (name === undefined || depth > deepest) return line;
      const path = name.replace(/\$\((\w+)\)/g, (_, variable: string) => root.variables[variable] ?? "");
      return readKconfig(root, path, depth + 1);
    }),
  );
  return lines.join("\n");
}

/** A file that is not there is empty: `rsource`, `osource` and generated files do not matter for an explanation. */
async function firstFile(folders: readonly string[], file: string): Promise<string> {
  for (const folder of folders) {
    const text = await readFile(join(folder, file), "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  return "";
}

/** Finds a symbol's definitions. */
export function findDefinitions(kconfig: string, symbol: string): Definition[] {
  return kconfig.includes(symbol) ? definitionsIn(kconfig, symbol) : [];
}

interface Block {
  readonly opener: string;
  readonly conditions: string[];
}

function definitionsIn(text: string, symbol: string): Definition[] {
  const found: Definition[] = [];
  const stack: Block[] = [];
  let current: { symbol: string; conditions: string[]; prompt: boolean } | undefined;
  // A help text has the indentation of its first line, and ends where a line has less.
  let helpIndent: number | "next line's" | undefined;
  const finish = () => {
    if (current?.symbol === symbol) {
      const enclosing = stack.flatMap((block) => block.conditions);
      found.push({ symbol, conditions: [...enclosing, ...current.conditions], prompt: current.prompt });
    }
    current = undefined;
  };
  for (const raw of text.replaceAll("\\\n", " ").split("\n")) {
    const line = raw.replace(/\s#.*$/, "").trim();
    if (line === "" || line.startsWith("#")) continue;
    const indent = raw.replaceAll("\t", "        ").search(/\S/);
    if (helpIndent === "next line's") helpIndent = indent;
    if (helpIndent !== undefined) {
      if (indent >= helpIndent && indent > 0) continue;
      helpIndent = undefined;
    }
    const [word = "", ...rest] = line.split(/\s+/);
    const argument = rest.join(" ");
    if (word === "help" || word === "---help---") helpIndent = "next line's";
    else if (word === "config" || word === "menuconfig") {
      finish();
      current = { symbol: argument, conditions: [], prompt: false };
    } else if (word === "if" || word === "menu" || word === "choice") {
      finish();
      stack.push({ opener: word, conditions: word === "if" ? [argument] : [] });
    } else if (word === "endif" || word === "endmenu" || word === "endchoice") {
      finish();
      stack.pop();
    } else if (word === "depends") {
      const expression = argument.replace(/^on\s+/, "");
      (current?.conditions ?? stack.at(-1)?.conditions)?.push(expression);
    } else if (current && /^(bool|tristate|string|int|hex|def_bool|prompt)$/.test(word)) {
      if (/^["']/.test(argument)) current.prompt = true;
    } else if (word === "source" || word === "comment" || word === "mainmenu") finish();
  }
  finish();
  return found;
}

/** A three-valued truth: n, m, y as 0, 1, 2; undefined when it can't be told. */
export function evaluate(expression: string, config: Config): number | undefined {
  const tokens = expression.match(/\|\||&&|!=|<=|>=|[()!=<>]|"[^"]*"|'[^']*'|\$\([^)]*\)|[\w-]+/g) ?? [];
  let at = 0;
  const level: Readonly<Record<string, number>> = { n: 0, m: 1, y: 2 };
  const valueFor = (word: string): string =>
    /^["']/.test(word)
      ? word.slice(1, -1)
      : word in level || /^\d/.test(word)
        ? word
        : (config.get(word) ?? "n").replace(/^"(.*)"$/, "$1");
  const atom = (): number | undefined => {
    const token = tokens[at++];
    if (token === undefined || token.startsWith("$(")) return undefined;
    if (token === "!") {
      const inner = atom();
      return inner === undefined ? undefined : 2 - inner;
    }
    if (token === "(") {
      const inner = either();
      at++;
      return inner;
    }
    const operator = tokens[at];
    if (operator === "=" || operator === "!=") {
      const right = tokens[at + 1];
      at += 2;
      if (right === undefined || right.startsWith("$(")) return undefined;
      return (valueFor(token) === valueFor(right)) === (operator === "=") ? 2 : 0;
    }
    if (operator !== undefined && /^[<>]=?$/.test(operator)) {
      at += 2;
      return undefined;
    }
    return level[valueFor(token)] ?? 0;
  };
  const both = (): number | undefined => {
    let left = atom();
    while (tokens[at] === "&&") {
      at++;
      const right = atom();
      left =
        left === 0 || right === 0
          ? 0
          : left === undefined || right === undefined
            ? undefined
            : Math.min(left, right);
    }
    return left;
  };
  const either = (): number | undefined => {
    let left = both();
    while (tokens[at] === "||") {
      at++;
      const right = both();
      left =
        left === 2 || right === 2
          ? 2
          : left === undefined || right === undefined
            ? undefined
            : Math.max(left, right);
    }
    return left;
  };
  return either();
}

/** One sentence that says why `symbol` did not get its value. */
export function explainLoss(kconfig: string, symbol: string, value: string, final: Config): string {
  const definitions = findDefinitions(kconfig, symbol);
  if (definitions.length === 0) {
    const known = (kconfig.match(/^\s*(?:menu)?config\s+\w+/gm) ?? []).map(
      (line) => line.trim().split(/\s+/)[1] ?? "",
    );
    const near = nearest(symbol, known);
    return `no Kconfig file of this tree defines ${symbol}${near ? `; did you mean ${near}?` : ""}`;
  }
  const unmet = definitions.map(({ conditions }) =>
    conditions.filter((condition) => {
      const truth = evaluate(condition, final);
      return truth !== undefined && truth < (value === "y" ? 2 : 1);
    }),
  );
  const best = unmet.sort((a, b) => a.length - b.length)[0] ?? [];
  if (value !== "n" && best.length > 0) {
    const missing = [...new Set(best.flatMap((condition) => condition.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []))]
      .map((name) => `${name} is ${final.get(name) ?? "not set"}`)
      .join(", ");
    return `it depends on ${best.map((condition) => `(${condition})`).join(" and ")}; ${missing}`;
  }
  if (definitions.every((definition) => !definition.prompt)) {
    return "it has no prompt: only another symbol can select it";
  }
  return value === "n"
    ? "another symbol selects it, or it can't be switched off here"
    : `Kconfig gave it ${final.get(symbol) ?? "n"}: a range, a choice or another symbol decides it`;
}
