/** Around the story: its packages before it, what it finds while it goes on, and its end, whatever that was. */
import type { Context, Folders } from "./context.ts";
import { type Artifact, freeSpace } from "./host/files.ts";
import { ensurePackages, needsOf, type Part } from "./host/packages.ts";
import { asFailure, Failure } from "./outcome.ts";
import { conclude, type Findings, noFindings } from "./report/conclude.ts";
import { clearOut, publish, writeReport } from "./report/report.ts";
import type { Result } from "./report/result.ts";
import type { Spec } from "./spec/spec.ts";

/** A stage's outcome, as far as every stage has one. */
export interface Outcome {
  readonly files: readonly Artifact[];
  readonly stage: Findings["stages"][number];
}

/** Keeps a stage's record, and copies its files to the out folder; gives them as they lie there. */
export async function record(
  findings: Findings,
  context: Context,
  outcome: Outcome,
): Promise<readonly Artifact[]> {
  const published = await publish(outcome.files, context.folders.out);
  findings.stages.push(outcome.stage);
  findings.artifacts.push(...published);
  return published;
}

/**
 * Runs the story and tells its end, whatever it was: the report stands in the out folder on failure as on success.
 * @throws Failure only for a wrong request, of which nothing is written, and for a cancelled run
 */
export async function told(
  spec: Spec,
  context: Context,
  parts: readonly Part[],
  story: (findings: Findings) => Promise<void>,
): Promise<Result> {
  const findings = noFindings();
  let failure: Failure | undefined;
  await clearOut(context.folders.out, parts.includes("image") ? ["evidence", "images"] : ["evidence"]);
  try {
    await ensurePackages(needsOf(parts), spec.installPackages, context);
    await story(findings);
  } catch (error) {
    failure = context.signal.aborted
      ? new Failure("cancelled", "the run was cancelled")
      : asFailure(error, "the run");
    if (failure.kind === "request") throw failure;
    if (failure.failureClass === "disk-full") failure = await withFreeSpace(failure, context.folders);
  }
  const result = conclude(spec, findings, failure, context.folders.out);
  await writeReport(result, context.folders.out);
  return result;
}

/** A full disk is only understood with the room that each folder has. */
async function withFreeSpace(failure: Failure, folders: Folders): Promise<Failure> {
  const room = await Promise.all(Object.values(folders).map(freeSpace));
  const detail = [...new Set(room), ...failure.detail];
  return new Failure("disk-full", failure.message, { detail, cause: failure.cause });
}
