/**
 * The workflow's door: reads the Action's inputs, runs the pipeline, sets outputs, annotations, the job summary and the
 * exit status. Inputs and outputs are DESIGN.md's; action.yml is generated from the same table.
 */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as core from "@actions/core";
import { withContext } from "../door.ts";
import { architectureOf, hostArchitecture } from "../machine/architectures.ts";
import { asFailure, exitCodeOf } from "../outcome.ts";
import { run } from "../pipeline.ts";
import { outputsOf } from "../report/outputs.ts";
import { locateFiles } from "../spec/files.ts";
import { type Input, inputs } from "../spec/inputs.ts";
import { parseSpec, type Written } from "../spec/spec.ts";
import { workflowLogger } from "./logger.ts";

/** Inputs as the runner hands them over: an empty text is an input that was not written. */
function readInputs(): Written {
  return Object.fromEntries(
    (Object.entries(inputs) as [string, Input][]).flatMap(([name, input]): [string, string | string[]][] => {
      if (input.many) {
        const lines = core.getMultilineInput(name);
        return lines.length > 0 ? [[name, lines]] : [];
      }
      const value = core.getInput(name);
      return value === "" ? [] : [[name, value]];
    }),
  );
}

async function main(): Promise<number> {
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => interrupt.abort());
  const logger = workflowLogger();
  try {
    const arch = hostArchitecture(process.arch) ?? architectureOf("x86_64");
    const written = parseSpec(readInputs(), { arch: arch.name, installPackages: true });
    const workspace = process.env.GITHUB_WORKSPACE ?? process.cwd();
    const spec = await locateFiles(written, workspace);
    const options = { environment: process.env, logger, signal: interrupt.signal, workspace };
    const result = await withContext({ ...options, out: spec.out, cache: spec.cache }, (context) =>
      // A gate never tests another kernel than the one it names.
      run(spec, context, { distributionFallback: false }),
    );
    const out = resolve(workspace, spec.out);
    for (const [name, value] of Object.entries(outputsOf(result, out))) core.setOutput(name, value);
    await core.summary.addRaw(await readFile(join(out, "summary.md"), "utf8")).write();
    if (result.outcome !== "passed") core.setFailed(`${result.class}: ${result.title}`);
    return exitCodeOf(result.class);
  } catch (error) {
    const failure = asFailure(error, "bootgate");
    core.setOutput("outcome", failure.kind);
    core.setOutput("class", failure.failureClass);
    core.setFailed([`${failure.failureClass}: ${failure.message}`, ...failure.detail].join("\n"));
    return exitCodeOf(failure.failureClass);
  }
}

process.exit(await main());
