/** The form `6.12.104`: a release that is pinned by hash, from any mirror. */
import type { Context, StageLog } from "../context.ts";
import { download } from "../host/download.ts";
import { nearest } from "../nearest.ts";
import { Failure } from "../outcome.ts";
import { compressionOf, describe, headOf } from "./archive.ts";
import { archiveSource, downloadPath, keptArchive } from "./archive-source.ts";
import { archiveLimit, fileOf, mirrors, pinOf, pins } from "./pins.ts";
import type { ReleaseRequest, Source, SourceForm, SourceName, SourcePolicy } from "./types.ts";

export const releaseForm: SourceForm<ReleaseRequest> = {
  form: "release",
  syntax: "a release by number (6.12.104)",
  words: (name) => pins[name].map(({ version }) => version),
  parse: (name, text) => {
    if (!/^\d+(\.\d+)+(-rc\d+)?$/.test(text)) return undefined;
    if (pinOf(name, text)) return { form: "release", name, text, version: text };
    const known = pins[name].map(({ version }) => version);
    const meant = nearest(text, known) ?? known[0];
    throw new Failure(
      "bad-request",
      `${name} ${text} is not a release known by hash; did you mean ${meant}?`,
      {
        detail: [
          `known releases of ${name}: ${known.join(", ")}`,
          "Any other can be named as an archive on disk: ./linux-X.Y.Z.tar.xz#sha256=HEX.",
        ],
      },
    );
  },
  obtain: (request, policy, context, log) =>
    obtainRelease(request.name, request.version, request.text, policy, context, log),
};

/**
 * A pinned release's archive, from the cache or a mirror.
 * @throws Failure `source-unreachable`, `source-rejected`, `disk-full`
 */
export async function obtainRelease(
  name: SourceName,
  version: string,
  form: string,
  policy: SourcePolicy,
  context: Context,
  log: StageLog,
): Promise<Source> {
  const { sha256 } = pinOf(name, version)!;
  const what = `${name} ${version}`;
  const verifiedBy = "SHA-256 pinned in Bootgate";
  const source = (origin: string, path: string) =>
    archiveSource({ name, version, form, origin, sha256, verifiedBy }, path, context);
  const kept = await keptArchive(context, sha256);
  if (kept) return source("kept download, hashed again", kept);
  const into = downloadPath(context, sha256);
  const { url, attempts } = await download(
    {
      what,
      urls: (policy.mirrors ?? mirrors)[name].map((base) => base + fileOf[name](version)),
      sha256,
      maxBytes: archiveLimit[name],
      into,
      describe: notAnArchive,
      ...(policy.limits && { limits: policy.limits }),
    },
    context,
    log,
  );
  for (const attempt of attempts) context.logger.notice(`${what}: ${attempt}`);
  return source(url, into);
}

/** What a file looks like that is no archive, or undefined for an archive. */
async function notAnArchive(path: string): Promise<string | undefined> {
  const head = await headOf(path);
  return compressionOf(head) ? undefined : describe(head);
}
