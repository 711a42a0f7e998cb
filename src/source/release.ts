/** The form `6.12.104`: a release that is pinned by hash, from any mirror. */
import type { Context, StageLog } from "../context.ts";
import { download } from "../host/download.ts";
import { nearest } from "../nearest.ts";
import { Failure } from "../outcome.ts";
import { distributionOf } from "./apt.ts";
import { compressionOf, describe, headOf } from "./archive.ts";
import { archiveSource, downloadPath, keptArchive } from "./archive-source.ts";
import { obtainFromApt } from "./distribution.ts";
import { archiveLimit, fileOf, mirrors, pinnedSuites, pinOf, pins } from "./pins.ts";
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
  obtain: async (request, policy, context, log) => {
    const { name, version, text } = request;
    try {
      return await obtainRelease(name, version, text, policy, context, log);
    } catch (error) {
      if (!(error instanceof Failure) || error.failureClass !== "source-unreachable") throw error;
      const same = await fromPackageArchive(name, version, text, context, log).catch((second: unknown) => {
        // Both ends of the search belong into the message: an apt that is out of reach must not hide the mirrors' answers.
        if (!(second instanceof Failure) || second.failureClass !== "source-unreachable") throw second;
        const also = [`package archive: ${second.message}`, ...second.detail.map((line) => `  ${line}`)];
        throw new Failure("source-unreachable", error.message, {
          detail: [...error.detail, ...also],
          cause: error,
        });
      });
      if (same === undefined) throw error;
      return same;
    }
  },
};

/** The package archive is one more mirror where it has that very archive: the pinned hash makes any mirror as good. */
async function fromPackageArchive(
  name: SourceName,
  version: string,
  form: string,
  context: Context,
  log: StageLog,
): Promise<Source | undefined> {
  if (name !== "busybox") return undefined;
  const { id } = await distributionOf(context);
  for (const { suite } of (pinnedSuites[id] ?? []).filter((entry) => entry.version === version)) {
    const source = await obtainFromApt(name, suite, form, context, log);
    if (source.sha256 === pinOf(name, version)?.sha256) return source;
  }
  return undefined;
}

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
