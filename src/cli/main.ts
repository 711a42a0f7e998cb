/**
 * The terminal's door: reads the command line, makes spec and context, runs the pipeline, prints the verdict. The one
 * place that exits.
 */
import { CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { cacheFolder, withContext } from "../door.ts";
import { architectureOf, hostArchitecture } from "../machine/architectures.ts";
import { asFailure, exitCodeOf, Failure, type FailureClass } from "../outcome.ts";
import { bootGiven, build, run, shell } from "../pipeline.ts";
import { locateFiles } from "../spec/files.ts";
import type { Command as CommandName } from "../spec/inputs.ts";
import { parseSpec, type Written } from "../spec/spec.ts";
import { runCache } from "./cache.ts";
import { diagnose, renderDiagnosis } from "./doctor.ts";
import { terminalLogger } from "./logger.ts";
import { type Actions, createProgram } from "./program.ts";
import { coloured, mayColour, plain } from "./progress.ts";
import { renderFailure, renderVerdict } from "./verdict.ts";

const { version } = packageJson;
const interrupt = new AbortController();
const paint = mayColour(process.stderr, process.env) ? coloured : plain;
const logger = terminalLogger(process.stderr, () => performance.now(), paint);
const say = (text: string) => void process.stderr.write(`${text}\n`);
const print = (value: unknown) => void process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

/** How the command ended; what its exit code is made from. */
let ending: FailureClass = "passed";

/** This computer's architecture; where the table lacks it, x86_64 is emulated. */
const host = hostArchitecture(process.arch) ?? architectureOf("x86_64");

const surroundings = {
  environment: process.env,
  workspace: process.cwd(),
  logger,
  signal: interrupt.signal,
} as const;

const commands = { run, build, boot: bootGiven } as const;

const actions: Actions = {
  withSpec: async (command: CommandName, written: Written, json: boolean) => {
    const door = { arch: host.name, installPackages: false };
    const spec = await locateFiles(parseSpec(written, door), process.cwd());
    await withContext({ ...surroundings, out: spec.out, cache: spec.cache }, async (context) => {
      if (command === "shell") {
        await shell(spec, { input: process.stdin, output: process.stdout }, context);
        return;
      }
      const result = await commands[command](spec, context, { distributionFallback: true });
      ending = result.class;
      say(renderVerdict(result, spec.out, paint));
      if (json) print(result);
    });
  },
  doctor: async (json) => {
    await withContext({ ...surroundings, out: "out", cache: "off" }, async (context) => {
      const diagnosis = await diagnose(host, context);
      if (diagnosis.install !== undefined) ending = "missing-program";
      if (json) print(diagnosis);
      else process.stdout.write(`${renderDiagnosis(diagnosis)}\n`);
    });
  },
  cache: async (verb, keep, json) => {
    const answer = await runCache(verb, keep, cacheFolder(process.env));
    if (answer.damaged) ending = "host-failed";
    if (json) print(answer.value);
    else process.stdout.write(`${answer.text}\n`);
  },
};

/** A second signal while things are being ended does not wait for them. */
function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(130);
  say("cancelled: ending what runs");
  interrupt.abort();
}

async function main(): Promise<number> {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  // A reader that goes away (`bootgate --help | head -1`) is no failure.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const program = createProgram(version, actions);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((sub) => sub.commands)]) {
    command.exitOverride();
  }
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodeOf("bad-request");
    const failure = interrupt.signal.aborted
      ? new Failure("cancelled", "cancelled")
      : asFailure(error, "bootgate");
    say(renderFailure(failure, paint));
    return exitCodeOf(failure.failureClass);
  }
  return exitCodeOf(ending);
}

process.exit(await main());
