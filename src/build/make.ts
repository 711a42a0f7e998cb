/** Running make: progress with time left, the whole log kept, and on failure the compiler's errors first. */
import { createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import type { Context, StageLog } from "../context.ts";
import { writeAtomically } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import type { Toolchain } from "./toolchain.ts";

export interface MakeRequest {
  /** What is built, for messages and the log's name: "kernel", "busybox". */
  readonly what: string;
  readonly tree: string;
  readonly args: readonly string[];
  readonly toolchain: Toolchain;
  /** How many lines a build of this kind prints, when the last one was counted; for the progress bar. */
  readonly countAs?: string;
  /** The log's path; lines are appended. */
  readonly logFile: string;
}

/** Lines of Kbuild that are a step: "  CC      kernel/fork.o". */
const step = /^ {2}(?:[A-Z][A-Z0-9_]+)(?: +\[M\])? +(\S+)/;
const compilerError = /(?:: (?:fatal )?error: |: undefined reference to |\bERROR: modpost:|^make.*\*\*\* )/;
const kept = 400;

/**
 * Runs make in a tree.
 * @returns CPU milliseconds
 * @throws Failure `compile-failed` with the errors first; `disk-full` where the disk was the reason
 */
export async function make(request: MakeRequest, context: Context, log: StageLog): Promise<number> {
  const { what, toolchain, logFile } = request;
  await mkdir(dirname(logFile), { recursive: true });
  const file = createWriteStream(logFile, { flags: "a" });
  const expected = request.countAs === undefined ? undefined : await expectedSteps(request.countAs, context);
  const errors: string[] = [];
  const tail: string[] = [];
  let steps = 0;
  let full = false;
  try {
    const args = [`-j${toolchain.jobs}`, ...toolchain.makeArguments, ...request.args];
    const exit = await context.run.lines("make", args, {
      cwd: request.tree,
      env: toolchain.environment,
      onLine: (line) => {
        file.write(`${line}\n`);
        log.output(line);
        const doing = step.exec(line)?.[1];
        if (doing !== undefined) {
          steps++;
          if (request.countAs !== undefined) {
            log.progress({
              done: steps,
              ...(expected === undefined ? {} : { total: expected }),
              note: doing,
            });
          }
        }
        if (compilerError.test(line) && errors.length < kept) errors.push(line);
        if (line.includes("No space left on device")) full = true;
        tail.push(line);
        if (tail.length > 40) tail.shift();
      },
    });
    if (exit.code !== 0) {
      if (full)
        throw new Failure("disk-full", `the disk ran full while ${what} was built`, {
          detail: tail.slice(-5),
        });
      const first = errors.find((line) => !line.startsWith("make")) ?? errors[0] ?? tail.at(-1) ?? "";
      throw new Failure("compile-failed", `${what} does not compile: ${first.trim()}`, {
        detail: [...errors.slice(0, 20), "… the end of the log:", ...tail, `whole log: ${logFile}`],
      });
    }
    if (request.countAs !== undefined) await rememberSteps(request.countAs, steps, context);
    return exit.cpuMs;
  } finally {
    file.end();
    await finished(file).catch(() => {});
  }
}

const stepsFile = (context: Context, countAs: string) =>
  join(context.folders.cache, "steps", `${countAs}.json`);

/** How many steps the last such build took on this machine; a guess for time left, never part of a result. */
async function expectedSteps(countAs: string, context: Context): Promise<number | undefined> {
  const text = await readFile(stepsFile(context, countAs), "utf8").catch(() => "");
  const count = Number(text);
  return Number.isInteger(count) && count > 0 ? count : firstGuess[countAs];
}

async function rememberSteps(countAs: string, steps: number, context: Context): Promise<void> {
  await writeAtomically(stepsFile(context, countAs), String(steps));
}

/** Steps counted here with linux 6.12.117 and BusyBox 1.38.0, for machines that never built before. */
const firstGuess: Readonly<Record<string, number>> = {
  "kernel-minimal": 1350,
  "kernel-tutorial": 3100,
  "busybox-minimal": 1150,
  "busybox-tutorial": 1150,
};
