/**
 * The form `apt[:SUITE]`: the distribution's own signed packages. Linux comes as the binary package linux-source-N.M,
 * which holds one archive; BusyBox as the upstream archive of its source package. What the archive answered is
 * remembered for a day, so that a warm run asks nobody.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { copyFile, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Context, StageLog } from "../context.ts";
import { sha256OfFile, temporaryNameFor } from "../host/files.ts";
import { Failure } from "../outcome.ts";
import { type Distribution, distributionOf, openApt, type PrivateApt, stanza, watchFile } from "./apt.ts";
import { newestSourcePackage, upstreamVersion } from "./apt-entries.ts";
import {
  archiveSource,
  downloadPath,
  downloadsFolder,
  keptArchive,
  type Remembered,
  recall,
  remember,
} from "./archive-source.ts";
import { TarGuard } from "./guard.ts";
import { pinOf } from "./pins.ts";
import type { AptRequest, Source, SourceForm, SourceName } from "./types.ts";

/** How long an answer of the package archive is used without asking again. */
const freshMs = 24 * 60 * 60_000;

export const aptForm: SourceForm<AptRequest> = {
  form: "apt",
  syntax: "apt or apt:SUITE (apt:bookworm-security)",
  words: () => ["apt"],
  parse: (name, text) => {
    if (text === "apt") return { form: "apt", name, text };
    if (!text.startsWith("apt:")) return undefined;
    const suite = text.slice("apt:".length);
    if (/^[a-z][a-z0-9]*([-/][a-z0-9]+)*$/.test(suite)) return { form: "apt", name, text, suite };
    throw new Failure("bad-request", `${JSON.stringify(suite)} is no suite of a package archive`, {
      detail: ["A suite is a name like bookworm, trixie-security, noble-updates or sid."],
    });
  },
  obtain: (request, _policy, context, log) =>
    obtainFromApt(request.name, request.suite, request.text, context, log),
};

/**
 * The source that the package archive has.
 * @param suite exactly this suite; undefined for all that this machine is set up for, the newest of them
 * @throws Failure `source-unreachable`, `source-rejected`, `bad-request`, `disk-full`, `missing-program`
 */
export async function obtainFromApt(
  name: SourceName,
  suite: string | undefined,
  form: string,
  context: Context,
  log: StageLog,
): Promise<Source> {
  const distribution = await distributionOf(context);
  const key = `apt-${name}-${distribution.id}-${distribution.codename}-${suite ?? "own"}`;
  const last = await recall(context, key);
  const lastPath = last && (await keptArchive(context, last.sha256));
  const source = (answer: Remembered, path: string) => {
    const { at: _, ...proved } = answer;
    return archiveSource({ name, form, ...proved }, path, context);
  };
  const age = Date.now() - (last?.at ?? 0);
  if (last && lastPath && age >= 0 && age < freshMs) return source(last, lastPath);

  const folder = await mkdtemp(join(context.folders.temporary, "apt-"));
  try {
    const ask = asks[name];
    const apt = await openApt({ type: ask.type, suite, folder }, distribution, context, log);
    const answer = await ask.fetch(apt, distribution, suite, context, log);
    await remember(context, key, answer);
    return source(answer, downloadPath(context, answer.sha256));
  } catch (error) {
    const offline = error instanceof Failure && error.failureClass === "source-unreachable";
    if (!offline || !last || !lastPath) throw error;
    context.logger.notice(
      `the package archive can't be reached; using ${name} ${last.version} as fetched on ${new Date(last.at).toISOString().slice(0, 10)}`,
    );
    return source(last, lastPath);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Fetch = (
  apt: PrivateApt,
  distribution: Distribution,
  suite: string | undefined,
  context: Context,
  log: StageLog,
) => Promise<Remembered>;

const asks: Readonly<Record<SourceName, { readonly type: "deb" | "deb-src"; readonly fetch: Fetch }>> = {
  linux: { type: "deb", fetch: fetchLinux },
  busybox: { type: "deb-src", fetch: fetchBusybox },
};

const signed = "the package archive's signature (apt)";

async function fetchLinux(
  ...[apt, distribution, suite, context, log]: Parameters<Fetch>
): Promise<Remembered> {
  const found = await apt.cache("search", "--names-only", "^linux-source-[0-9]");
  const packageName = newestSourcePackage(found.split("\n").map((line) => line.split(" ")[0]!));
  if (!packageName) {
    throw new Failure(
      "source-unreachable",
      `${suite ?? distribution.codename} has no package linux-source-N.M`,
      {
        detail: [
          "Try a suite of a release or its security updates: apt:bookworm, apt:bookworm-security, apt:sid.",
        ],
      },
    );
  }
  const fields = stanza(await apt.cache("show", "--no-all-versions", packageName));
  const deb = await fetchFile(apt, log, {
    label: `${packageName} ${fields.Version}`,
    args: ["download", packageName],
    allowed: /^linux-source-[^/]*\.deb$/,
  });
  log.progress({ note: `taking the archive out of ${packageName}` });
  const sha256 = await takeArchive(deb.path, packageName, context);
  return {
    at: Date.now(),
    version: upstreamVersion(fields.Version ?? ""),
    origin: `${distribution.id} package ${packageName} ${fields.Version} (${suite ?? distribution.codename}), ${deb.uri}`,
    sha256,
    verifiedBy: `${signed}, package SHA-256 ${deb.sha256}`,
  };
}

async function fetchBusybox(
  ...[apt, distribution, suite, context, log]: Parameters<Fetch>
): Promise<Remembered> {
  const file = await fetchFile(apt, log, {
    label: "busybox",
    args: ["source", "--download-only", "--only-source", "--tar-only", "busybox"],
    allowed: /^busybox_[^/]*\.orig\.tar\.\w+$/,
  });
  const version = /^busybox_(.*)\.orig\./.exec(file.fileName)![1]!;
  const pin = pinOf("busybox", version);
  if (pin && pin.sha256 !== file.sha256) {
    throw new Failure(
      "source-rejected",
      `the package archive's busybox ${version} is not the pinned release`,
      {
        detail: [`expected: ${pin.sha256}`, `actual:   ${file.sha256}`, `URL: ${file.uri}`],
      },
    );
  }
  await keep(file.path, file.sha256, context);
  return {
    at: Date.now(),
    version,
    origin: `${distribution.id} source package busybox (${suite ?? distribution.codename}), ${file.uri}`,
    sha256: file.sha256,
    verifiedBy: pin ? `SHA-256 pinned in Bootgate, and ${signed}` : signed,
  };
}

interface Fetched {
  readonly uri: string;
  readonly fileName: string;
  readonly path: string;
  readonly sha256: string;
}

/** Has apt-get fetch one file: first asked for its address, size and hash (`--print-uris`), then fetched and compared. */
async function fetchFile(
  apt: PrivateApt,
  log: StageLog,
  {
    label,
    args,
    allowed,
  }: { readonly label: string; readonly args: readonly string[]; readonly allowed: RegExp },
): Promise<Fetched> {
  const lines = await apt.get(`looking up ${label}`, log, ...args, "--print-uris");
  const match = lines
    .map((line) => /^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/.exec(line))
    .find((found) => found && allowed.test(found[2]!));
  if (!match)
    throw new Failure("source-unreachable", `the package archive has no ${label}`, {
      detail: lines.slice(-5),
    });
  const [, uri, fileName, size, expected] = match as unknown as [string, string, string, string, string];
  const path = join(apt.folder, fileName);
  const stop = watchFile(path, Number(size), label, log);
  await apt.get(`fetching ${label}`, log, ...args).finally(stop);
  const sha256 = await sha256OfFile(path);
  if (sha256 !== expected) {
    throw new Failure("source-rejected", `apt delivered ${fileName} with the wrong hash`, {
      detail: [`expected: ${expected}`, `actual:   ${sha256}`, `URL: ${uri}`],
    });
  }
  return { uri, fileName, path, sha256 };
}

/** Moves a proved file into the downloads, whole or not at all. */
async function keep(path: string, sha256: string, context: Context): Promise<void> {
  await downloadsFolder(context);
  const temporary = temporaryNameFor(downloadPath(context, sha256));
  try {
    await copyFile(path, temporary);
    await rename(temporary, downloadPath(context, sha256));
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Streams the archive out of a linux-source package into the downloads; gives its SHA-256. Debian has it as
 * usr/src/linux-source-6.12.tar.xz, Ubuntu in a folder below that with a link beside.
 */
async function takeArchive(deb: string, packageName: string, context: Context): Promise<string> {
  await downloadsFolder(context);
  const temporary = temporaryNameFor(downloadPath(context, packageName));
  const hash = createHash("sha256");
  const file = openSync(temporary, "wx");
  const running = context.run.start("dpkg-deb", ["--fsys-tarfile", deb]);
  running.child.stderr.resume();
  let taking = false;
  let found = 0;
  const member = /^(\.\/)?usr\/src\/([^/]+\/)?linux-source-[^/]*\.tar\.(xz|bz2|gz|zst)$/;
  const guard = new TarGuard({
    what: packageName,
    maximum: 2 ** 31,
    onMember: ({ path, type }) => {
      taking = type === "File" && member.test(path);
      if (taking) found++;
    },
    onBody: (chunk) => {
      if (!taking) return;
      hash.update(chunk);
      // Synchronous, so that no more than one chunk is ever in memory; 150 MB take a fifth of a second.
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
    },
  });
  try {
    await pipeline(running.child.stdout, guard, drain);
    const exit = await running.finished;
    if (exit.code !== 0 || found !== 1) {
      throw new Failure(
        "source-rejected",
        `${packageName} holds ${found} archives of sources instead of one`,
      );
    }
    const sha256 = hash.digest("hex");
    await rename(temporary, downloadPath(context, sha256));
    return sha256;
  } finally {
    closeSync(file);
    await running.stop(0);
    await rm(temporary, { force: true });
  }
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
