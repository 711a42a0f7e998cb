/** From what was written (flags, a workflow's inputs) to a spec, or to one message that names everything wrong with it. */
import * as v from "valibot";
import { nearest } from "../nearest.ts";
import { Failure } from "../outcome.ts";
import { type Input, type InputName, inputs, type Spec } from "./inputs.ts";

export type { Spec } from "./inputs.ts";

/** What a door collected: the text of each input that was written, lists as lists. */
export type Written = Readonly<Record<string, string | readonly string[]>>;

/** `kernel-config` → `kernelConfig`. */
export function camel(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Parses and validates a request against the table.
 * @param door defaults that depend on who asks: the host's architecture, whether packages may be installed
 * @throws Failure `bad-request` naming every unknown and every wrong input at once, each with the nearest valid value
 */
export function parseSpec(
  written: Written,
  door: { readonly arch: string; readonly installPackages: boolean },
): Spec {
  const problems: string[] = [];
  const spec: Record<string, unknown> = {};
  for (const name of Object.keys(written)) {
    if (name in inputs) continue;
    const near = nearest(name, Object.keys(inputs));
    problems.push(`${name}: there is no such input${near ? `; did you mean ${near}?` : ""}`);
  }
  const defaults: Readonly<Record<string, string>> = {
    arch: door.arch,
    "install-packages": String(door.installPackages),
  };
  for (const [name, input] of Object.entries(inputs) as [InputName, Input][]) {
    const value = written[name] ?? defaults[name] ?? input.default ?? (input.many ? [] : undefined);
    if (value === undefined) continue;
    const parsed = v.safeParse(input.schema, value);
    if (parsed.success) spec[camel(name)] = parsed.output;
    else problems.push(...parsed.issues.map((issue) => `${name}: ${issue.message}`));
  }
  if (problems.length > 0) refuse(problems);
  return spec as Spec;
}

/** Ends with every problem in one message. */
export function refuse(problems: readonly string[]): never {
  const [first = "", ...rest] = problems;
  throw new Failure("bad-request", first, { detail: rest });
}
