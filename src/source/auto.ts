/**
 * The form `auto`: the pinned release from upstream; where no upstream delivers and the policy allows it, the
 * distribution's own signed package, said loudly. A wrong hash is never a reason to look elsewhere.
 */
import type { Context, StageLog } from "../context.ts";
import { Failure } from "../outcome.ts";
import { distributionOf } from "./apt.ts";
import { obtainFromApt } from "./distribution.ts";
import { automatic, pinnedSuites } from "./pins.ts";
import { obtainRelease } from "./release.ts";
import type { AutoRequest, Source, SourceForm, SourceName, SourcePolicy } from "./types.ts";

export const autoForm: SourceForm<AutoRequest> = {
  form: "auto",
  syntax: "auto",
  words: () => ["auto"],
  parse: (name, text) => (text === "auto" ? { form: "auto", name, text } : undefined),
  obtain: obtainAuto,
};

async function obtainAuto(
  { name, text }: AutoRequest,
  policy: SourcePolicy,
  context: Context,
  log: StageLog,
): Promise<Source> {
  const version = automatic[name];
  try {
    return await obtainRelease(name, version, text, policy, context, log);
  } catch (error) {
    if (!(error instanceof Failure) || error.failureClass !== "source-unreachable") throw error;
    if (!policy.distributionFallback) throw error;
    return await fallBack(name, version, text, error, context, log);
  }
}

async function fallBack(
  name: SourceName,
  version: string,
  form: string,
  upstream: Failure,
  context: Context,
  log: StageLog,
): Promise<Source> {
  const attempts = [...upstream.detail];
  for (const suite of await suitesFor(name, context)) {
    try {
      const source = await obtainFromApt(name, suite, form, context, log);
      context.logger.warning(
        `no upstream of ${name} ${version} can be reached: using ${name} ${source.version} from ${source.origin}`,
      );
      return { ...source, origin: `${source.origin}, because no upstream of ${name} ${version} delivered` };
    } catch (error) {
      const next = error instanceof Failure && /^(source-unreachable|bad-request)$/.test(error.failureClass);
      if (!next) throw error;
      attempts.push(
        `apt${suite ? `:${suite}` : ""}: ${error.message}`,
        ...error.detail.map((line) => `  ${line}`),
      );
    }
  }
  throw new Failure("source-unreachable", `neither upstream nor the package archive delivered ${name}`, {
    detail: attempts,
    cause: upstream,
  });
}

/** Suites in the order in which they are asked: for BusyBox those that have a pinned release; last the machine's own. */
async function suitesFor(name: SourceName, context: Context): Promise<(string | undefined)[]> {
  if (name === "linux") return [undefined];
  const { id } = await distributionOf(context);
  return [...(pinnedSuites[id] ?? []).map(({ suite }) => suite), undefined];
}
