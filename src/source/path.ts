/** The form of a path: a folder (the checkout under test) or an archive on disk, whichever lies there. */
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Context, StageLog } from "../context.ts";
import { sha256OfFile } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import { compressionOfFile, openTar } from "./archive.ts";
import { archiveSource, recall, remember } from "./archive-source.ts";
import { folderSource } from "./folder.ts";
import { TarGuard } from "./guard.ts";
import { markers, versionInMakefile } from "./tree-version.ts";
import type { PathRequest, Source, SourceForm, SourceName, SourcePolicy } from "./types.ts";

export const pathForm: SourceForm<PathRequest> = {
  form: "path",
  syntax:
    "a path beginning with . or /: a folder, or an archive (./linux-6.12.tar.xz, optionally with #sha256=HEX)",
  words: () => [],
  parse: (name, text) => {
    if (!/^[./]/.test(text)) return undefined;
    const [, path, hash] = /^(.*?)(?:#(sha256=.*))?$/s.exec(text)!;
    if (hash === undefined) return { form: "path", name, text, path: path! };
    const sha256 = /^sha256=([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
    if (sha256) return { form: "path", name, text, path: path!, sha256 };
    throw new Failure("bad-request", `the hash in ${JSON.stringify(text)} is not a SHA-256`, {
      detail: ["It is written #sha256= and 64 hexadecimal digits, as sha256sum prints them."],
    });
  },
  obtain: obtainPath,
};

async function obtainPath(
  request: PathRequest,
  _policy: SourcePolicy,
  context: Context,
  log: StageLog,
): Promise<Source> {
  const path = resolve(request.path);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(
      "bad-request",
      `the ${request.name} source ${request.path} can't be opened (${error.code})`,
      {
        detail: [`looked for: ${path}`],
      },
    );
  });
  if (!found.isDirectory()) return localArchive(request, path, context, log);
  if (request.sha256 === undefined) return folderSource(request, path, context, log);
  throw new Failure("bad-request", `${request.path} is a folder, and a folder has no #sha256=`);
}

async function localArchive(
  { name, text, sha256: expected }: PathRequest,
  path: string,
  context: Context,
  log: StageLog,
): Promise<Source> {
  log.progress({ note: `hashing ${basename(path)}` });
  const sha256 = await sha256OfFile(path);
  if (expected !== undefined && expected !== sha256) {
    throw new Failure("source-rejected", `${path} does not have the hash that was given`, {
      detail: [`expected SHA-256: ${expected}`, `actual SHA-256:   ${sha256}`, `file: ${path}`],
    });
  }
  await compressionOfFile(path, path);
  const version = await versionInArchive(name, path, sha256, context);
  const verifiedBy =
    expected === undefined ? "nothing: the file on disk as it is" : "the SHA-256 that was given";
  return archiveSource({ name, version, form: text, origin: path, sha256, verifiedBy }, path, context);
}

/** The version in an archive's Makefile, remembered by the archive's hash: finding it can take a second or two. */
async function versionInArchive(
  name: SourceName,
  path: string,
  sha256: string,
  context: Context,
): Promise<string> {
  const key = `version-${name}-${sha256}`;
  const known = await recall(context, key);
  if (known) return known.version;
  const makefile = await readMakefile(path, context);
  const version = makefile === undefined ? undefined : versionInMakefile(name, makefile);
  if (version === undefined) {
    throw new Failure(
      "bad-request",
      `${path} is not the source of ${name}: no Makefile with a VERSION in it`,
      {
        detail: [`A ${name} tree has ${markers[name].join(", ")}.`],
      },
    );
  }
  await remember(context, key, { at: Date.now(), version, origin: path, sha256, verifiedBy: "" });
  return version;
}

/** The text of the top Makefile of an archive (its head: 64 KiB), or undefined. Stops reading as soon as it is found. */
async function readMakefile(path: string, context: Context): Promise<string | undefined> {
  const input = await openTar(path, path, context);
  const found = new AbortController();
  let text: string | undefined;
  let taking = false;
  const guard = new TarGuard({
    what: path,
    maximum: 8 * 2 ** 30,
    onMember: (member) => {
      if (taking) found.abort();
      taking =
        text === undefined && /^(\.\/)?([^/]+\/)?Makefile$/.test(member.path) && member.type === "File";
      if (taking) text = "";
    },
    onBody: (chunk) => {
      if (taking && text!.length < 65_536) text += chunk.toString("utf8");
    },
  });
  try {
    await pipeline(input.stream, guard, drain, { signal: found.signal });
    await input.finished;
  } catch (error) {
    context.signal.throwIfAborted();
    if (!found.signal.aborted) throw error;
  } finally {
    await input.stop();
  }
  return text;
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
