/** Getting a source: the table of forms, and the two functions that the rest of the house calls. */
import type { Context, StageLog } from "../context.ts";
import { nearest } from "../nearest.ts";
import { Failure } from "../outcome.ts";
import { autoForm } from "./auto.ts";
import { aptForm } from "./distribution.ts";
import { pathForm } from "./path.ts";
import { releaseForm } from "./release.ts";
import type { Source, SourceForm, SourceName, SourcePolicy, SourceRequest } from "./types.ts";

export type { Source, SourceName, SourcePolicy, SourceRequest } from "./types.ts";

/** Every way of naming a source. A new one is an entry here, a member of SourceRequest, and a file of its own. */
const forms: { readonly [F in SourceRequest["form"]]: SourceForm<Extract<SourceRequest, { form: F }>> } = {
  auto: autoForm,
  apt: aptForm,
  path: pathForm,
  release: releaseForm,
};

/** How sources can be named, for documentation and messages. */
export const sourceSyntax: readonly string[] = Object.values(forms).map(({ syntax }) => syntax);

/**
 * Reads what a user wrote for `kernel` or `busybox`. Pure.
 * @throws Failure `bad-request` naming the valid forms and the nearest valid value
 */
export function parseSourceRequest(name: SourceName, text: string): SourceRequest {
  for (const form of Object.values(forms)) {
    const request = form.parse(name, text);
    if (request) return request;
  }
  const words = Object.values(forms).flatMap((form) => form.words(name));
  throw new Failure(
    "bad-request",
    `${JSON.stringify(text)} names no source of ${name}; did you mean ${nearest(text, words) ?? words[0]}?`,
    { detail: sourceSyntax.map((syntax) => `valid: ${syntax}`) },
  );
}

/**
 * Gets a source to this computer and proves it; nothing is unpacked yet.
 * @throws Failure `source-unreachable`, `source-rejected`, `bad-request`, `disk-full`, `missing-program`
 */
export async function obtainSource(
  request: SourceRequest,
  policy: SourcePolicy,
  context: Context,
  log: StageLog,
): Promise<Source> {
  context.signal.throwIfAborted();
  const form = forms[request.form] as SourceForm;
  return form.obtain(request, policy, context, log);
}
