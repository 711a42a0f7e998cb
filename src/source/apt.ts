/**
 * apt under a private configuration: works without root, changes nothing on the machine, and keeps apt's chain of
 * signatures (Release by a key of the machine's keyrings, index by hash, package by hash). Each use has a folder of its
 * own in the run's scratch space, so that two runs at once do not meet in a lock.
 */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { Failure } from "../outcome.ts";
import {
  type AptEntry,
  distributionEntries,
  entriesForSuite,
  parseAptEntries,
  renderAptConfiguration,
  renderEntries,
  renderPreferences,
} from "./apt-entries.ts";

export interface PrivateApt {
  /** Scratch space of this use. */
  readonly folder: string;
  /** Runs apt-cache and gives its output. */
  cache(...args: string[]): Promise<string>;
  /** Runs apt-get in `folder`, output to the log. @throws Failure `source-unreachable` with what apt said */
  get(what: string, log: StageLog, ...args: string[]): Promise<string[]>;
}

export interface Distribution {
  /** ID of /etc/os-release: "debian", "ubuntu". */
  readonly id: string;
  readonly codename: string;
}

/** Which distribution this machine runs. @throws Failure `source-unreachable` when it is not an apt machine */
export async function distributionOf(context: Context): Promise<Distribution> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, "m").exec(text)?.[1];
  const [id, codename] = [field("ID"), field("VERSION_CODENAME")];
  if (id && codename && context.run.find("apt-get")) return { id, codename };
  throw new Failure("source-unreachable", "this machine has no apt package archive to take a source from", {
    detail: ["`apt` works on Debian and Ubuntu; name an archive or a folder instead."],
  });
}

/**
 * Sets up a private apt and fetches the indexes.
 * @param suite exactly this suite; undefined for all that the machine is set up for
 * @throws Failure `source-unreachable`, `bad-request` (no such suite), `missing-program`
 */
export async function openApt(
  request: { readonly type: "deb" | "deb-src"; readonly suite: string | undefined; readonly folder: string },
  distribution: Distribution,
  context: Context,
  log: StageLog,
): Promise<PrivateApt> {
  const { type, suite, folder } = request;
  const own = distributionEntries(await machineEntries(context), distribution.codename);
  if (own.length === 0) {
    throw new Failure(
      "source-unreachable",
      `this machine's apt has no sources for ${distribution.codename}`,
      {
        detail: [
          "Looked for a line with the component main in /etc/apt/sources.list and /etc/apt/sources.list.d.",
        ],
      },
    );
  }
  const entries = suite === undefined ? own : entriesForSuite(own, suite);
  for (const part of ["lists/partial", "cache/archives/partial", "parts", "state"]) {
    await mkdir(join(folder, part), { recursive: true });
  }
  const configuration = join(folder, "apt.conf");
  const origin = distribution.id.charAt(0).toUpperCase() + distribution.id.slice(1);
  await writeFile(configuration, renderAptConfiguration(folder, process.getuid?.() === 0));
  await writeFile(join(folder, "preferences"), renderPreferences(origin));
  await writeFile(join(folder, "parts", "bootgate.sources"), renderEntries(entries, type));

  const apt: PrivateApt = {
    folder,
    cache: async (...args) => (await context.run.tool("apt-cache", ["-c", configuration, ...args])).stdout,
    get: (what, output, ...args) =>
      aptGet(what, ["-c", configuration, "-q", ...args], folder, context, output),
  };
  log.progress({ note: `asking the package archive (${suite ?? distribution.codename})` });
  await apt.get(`reading the index of ${suite ?? distribution.codename}`, log, "update").catch((error) => {
    throw suite === undefined ? error : noSuchSuite(error, suite, own);
  });
  return apt;
}

async function aptGet(
  what: string,
  args: readonly string[],
  cwd: string,
  context: Context,
  log: StageLog,
): Promise<string[]> {
  const lines: string[] = [];
  const exit = await context.run.lines("apt-get", args, {
    cwd,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    onLine: (line) => {
      lines.push(line);
      log.output(line);
    },
  });
  if (exit.code === 0) return lines;
  // An "Err:" line is followed by an indented one that holds the reason ("404  Not Found").
  const errors = lines.filter(
    (line, index) =>
      /^(E|W|Err):/.test(line) || (/^\s+\S/.test(line) && /^Err:/.test(lines[index - 1] ?? "")),
  );
  if (errors.some((line) => /No space left on device/.test(line))) {
    throw new Failure("disk-full", `the disk is full: ${what}`, { detail: errors });
  }
  throw new Failure("source-unreachable", `the package archive did not deliver: ${what}`, {
    detail: errors.length > 0 ? errors : lines.slice(-10),
  });
}

function noSuchSuite(error: unknown, suite: string, own: readonly AptEntry[]): unknown {
  if (!(error instanceof Failure)) return error;
  if (!error.detail.some((line) => /does not have a Release file|no longer has a Release file/.test(line)))
    return error;
  // Without a network apt says the same of every suite; a server that answered says 404.
  if (!error.detail.some((line) => /404/.test(line))) return error;
  return new Failure("bad-request", `the package archive has no suite named ${suite}`, {
    detail: [
      `this machine's own: ${[...new Set(own.flatMap((entry) => entry.suites))].join(", ")}`,
      "Any other suite of the same archive can be named: apt:trixie, apt:sid, apt:bookworm-security.",
    ],
    cause: error,
  });
}

/** All entries of the machine's sources, wherever its configuration keeps them. */
async function machineEntries(context: Context): Promise<AptEntry[]> {
  const { stdout } = await context.run.tool("apt-config", [
    ...["shell", "LIST", "Dir::Etc::SourceList/f", "PARTS", "Dir::Etc::SourceParts/d"],
  ]);
  const value = (name: string) => new RegExp(`^${name}='(.*)'$`, "m").exec(stdout)?.[1];
  const [list, parts] = [value("LIST"), value("PARTS")];
  const names = parts ? (await readdir(parts).catch(() => [])).sort() : [];
  const files = [
    ...(list ? [list] : []),
    ...names.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(parts!, name)),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return files.flatMap((file, index) => parseAptEntries(file, texts[index]!));
}

/** One stanza of `apt-cache show` as a record of its one-line fields. */
export function stanza(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, key, value] of text.split("\n\n")[0]!.matchAll(/^([\w-]+): (.*)$/gm)) fields[key!] = value!;
  return fields;
}

/** Reports how far a file of known size has grown, twice a second, until stopped: apt-get itself tells only people. */
export function watchFile(path: string, total: number, note: string, log: StageLog): () => void {
  const timer = setInterval(() => {
    stat(path).then(
      ({ size }) => log.progress({ done: size, total, note }),
      () => {},
    );
  }, 500);
  return () => clearInterval(timer);
}
