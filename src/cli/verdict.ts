/** What a person reads at the end: the verdict of each boot, or the failure with what to do. Pure: values in, text out. */
import { classes, type Failure } from "../outcome.ts";
import type { Result } from "../report/result.ts";
import { duration, type Paint } from "./progress.ts";

/** Bytes of a guest on a person's terminal: no escape sequence takes effect. */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

const excerptLines = 12;

/** A broken world says nothing about the Linux under test. */
const words = { passed: "PASSED", failed: "FAILED", request: "REFUSED", world: "NO VERDICT" } as const;

/** The end of `run`, `build` and `boot`. */
export function renderVerdict(result: Result, out: string, paint: Paint): string {
  const boots = result.boots.map((boot) => {
    const passed = boot.verdict.kind === "passed";
    const mark = passed ? paint("green", "✔") : paint("red", "✘");
    const prompt = boot.timeline.find((entry) => entry.state === "prompt");
    const time = prompt ? `prompt after ${duration(prompt.ms)}` : `reached: ${boot.verdict.reached}`;
    const head = `${mark} ${boot.path.padEnd(7)} ${harmless(boot.verdict.title)} (${boot.accel}, ${time})`;
    return passed ? head : [head, ...excerptOf(boot, paint)].join("\n");
  });
  const passed = result.outcome === "passed";
  const word = paint(["bold", passed ? "green" : "red"], words[result.outcome]);
  const end = `${word} ${passed ? "" : `${result.class}: `}${harmless(result.title)}`;
  const detail = result.detail.map((line) => `  ${harmless(line)}`);
  const advice =
    result.boots.length > 0 || result.outcome === "passed"
      ? []
      : [paint("dim", classes[result.class].advice)];
  return [...boots, end, ...detail, ...advice, `Results: ${out}`].join("\n");
}

function excerptOf(boot: Result["boots"][number], paint: Paint): string[] {
  const lines = boot.verdict.excerpt.slice(0, excerptLines);
  const rest = boot.verdict.excerpt.length - lines.length;
  return [
    ...lines.map(({ line, text }) => paint("dim", `    ${String(line).padStart(5)}  ${harmless(text)}`)),
    ...(rest > 0 ? [paint("dim", `           … ${rest} more lines in ${boot.console}`)] : []),
    `    ${boot.verdict.class}: ${classes[boot.verdict.class].advice}`,
  ];
}

/** A failure that ended the command. */
export function renderFailure(failure: Failure, paint: Paint): string {
  const entry = classes[failure.failureClass];
  return [
    `${paint(["bold", "red"], failure.failureClass)}: ${harmless(failure.message)}`,
    ...failure.detail.map((line) => `  ${harmless(line)}`),
    paint("dim", entry.advice),
  ].join("\n");
}
