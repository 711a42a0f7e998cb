/** What is said of a boot in the end: its class, one line, and the lines of the console that show it. */
import { classes, type FailureClass, type Kind } from "../outcome.ts";
import { type ConsoleLine, cleaned } from "./console.ts";
import type { State } from "./timeline.ts";

export interface Verdict {
  readonly class: FailureClass;
  readonly kind: Kind;
  /** One line: what happened, to what. */
  readonly title: string;
  /** The furthest state. */
  readonly reached: State;
  /** Lines of the console (of QEMU's messages for `qemu-failed`) with their numbers in the log. */
  readonly excerpt: readonly ExcerptLine[];
}

export interface ExcerptLine {
  readonly line: number;
  readonly text: string;
}

/** What decided, before it is made into a verdict. */
export interface Finding {
  readonly class: FailureClass;
  readonly title: string;
  /** The console's line where the report begins; 0 when no line says it. */
  readonly line: number;
}

/** Makes a verdict of a finding. */
export function verdictOf(finding: Finding, reached: State, excerpt: readonly ConsoleLine[]): Verdict {
  return {
    class: finding.class,
    kind: classes[finding.class].kind,
    title: finding.title,
    reached,
    excerpt: excerpt.map((line) => ({ line: line.number, text: line.text.slice(0, 400) })),
  };
}

/** The last line that has words in it, shortened for a title; undefined when there is none. */
export function lastWords(lines: readonly ConsoleLine[], partial: string): string | undefined {
  const texts = [...lines.map((line) => line.text), partial];
  const last = texts.findLast((text) => /\w{2}/.test(text) && !/BOOT""GATE/.test(text)); // not our probe's echo
  return last === undefined ? undefined : cleaned(last).trim().slice(0, 120);
}
