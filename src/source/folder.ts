/**
 * The source that is a folder: the checkout under test. It is read and copied, never written to, so that a tree which was
 * built in place stays as it is. In a git work tree what counts is what git would commit: tracked files as they lie
 * there, and untracked ones that are not ignored.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Context, StageLog } from "../context.ts";
import { exists, temporaryNameFor } from "../host/files.ts";
import { asFailure, Failure } from "../outcome.ts";
import { identityOf, listFiles } from "./identity.ts";
import { markers, versionInMakefile } from "./tree-version.ts";
import type { PathRequest, Source, SourceName } from "./types.ts";

/** Signs of a build in place; `make O=` refuses such a tree ("source tree is not clean"), or takes stale tools from it. */
const buildSigns = [
  ".config",
  ".config.old",
  "include/config",
  "include/generated",
  "scripts/basic/fixdep",
  "vmlinux",
];

/**
 * Describes a folder, hashing all that counts in it.
 * @throws Failure `bad-request` when it is no tree of that kind, naming what is missing, or can't be read
 */
export async function folderSource(
  { name, text }: PathRequest,
  folder: string,
  context: Context,
  log: StageLog,
): Promise<Source> {
  const version = await requireTree(name, folder);
  const commit = await gitCommit(folder, context);
  log.progress({ note: `listing ${folder}` });
  try {
    const paths = commit === undefined ? listFiles(folder) : await gitFiles(folder, context);
    const { sha256, files } = await identityOf(folder, paths, {
      signal: context.signal,
      onProgress: (done) => log.progress({ done, total: paths.length, note: `hashing ${folder}` }),
    });
    return {
      name,
      version,
      form: text,
      origin: commit === undefined ? folder : `${folder} (git work tree at ${commit})`,
      sha256,
      verifiedBy: "nothing: the folder as it is",
      unpack: (into, output) =>
        copyTree({ name, folder, sha256, files, tracked: commit !== undefined }, into, context, output),
    };
  } catch (error) {
    context.signal.throwIfAborted();
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    throw new Failure("bad-request", `a file of ${folder} can't be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function requireTree(name: SourceName, folder: string): Promise<string> {
  const missing: string[] = [];
  for (const marker of markers[name]) {
    if (!(await exists(join(folder, marker)))) missing.push(marker);
  }
  const makefile = missing.length > 0 ? "" : await readFile(join(folder, "Makefile"), "utf8");
  const version = versionInMakefile(name, makefile);
  if (version !== undefined) return version;
  const lacks =
    missing.length > 0 ? `it has no ${missing.join(", no ")}` : "its Makefile is another project's";
  throw new Failure("bad-request", `${folder} is not the source of ${name}: ${lacks}`);
}

/**
 * git under conditions that hold in any checkout: another user's (a container's bind mount) is no reason to refuse, and
 * nothing that the repository's own configuration could start is started.
 */
function gitArguments(folder: string, ...args: string[]): string[] {
  const settings = [
    "safe.directory=*",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.quotePath=false",
  ];
  return ["-C", folder, ...settings.flatMap((setting) => ["-c", setting]), ...args];
}

/** The commit that is checked out; undefined when git does not keep this tree (a Makefile in the index tells). */
async function gitCommit(folder: string, context: Context): Promise<string | undefined> {
  if (context.run.find("git") === undefined) return undefined;
  const git = async (...args: string[]) =>
    context.run.tool("git", gitArguments(folder, ...args), { accept: [0, 1, 128] });
  const kept = await git("ls-files", "--cached", "--", "Makefile");
  if (kept.code !== 0 || kept.stdout.trim() === "") return undefined;
  const head = await git("rev-parse", "--short=12", "--verify", "-q", "HEAD");
  return head.code === 0 ? head.stdout.trim() : "no commit yet";
}

async function gitFiles(folder: string, context: Context): Promise<string[]> {
  const args = gitArguments(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z");
  const { stdout } = await context.run.tool("git", args);
  return stdout.split("\0").filter((path) => path !== "" && !path.endsWith("/"));
}

interface Tree {
  readonly name: SourceName;
  readonly folder: string;
  readonly sha256: string;
  readonly files: readonly string[];
  readonly tracked: boolean;
}

/**
 * Copies what was hashed, proves the copy, and cleans it where the tree had been built in place.
 * @throws Failure `disk-full`, `compile-failed` (`make mrproper` fails), `host-failed` (the tree changed meanwhile)
 */
async function copyTree(tree: Tree, into: string, context: Context, log: StageLog): Promise<void> {
  const { folder, sha256 } = tree;
  log.progress({ note: `copying ${folder}` });
  try {
    await (tree.tracked ? copyListed(tree, into, context) : copyAll(tree, into, context));
    const copied = await identityOf(into, listFiles(into), { signal: context.signal });
    if (copied.sha256 !== sha256) {
      throw new Failure(
        "host-failed",
        `${folder} changed while it was being copied; start again when nobody writes to it`,
      );
    }
    await clean(into, context, log);
  } catch (error) {
    for (const entry of await readdir(into)) await rm(join(into, entry), { recursive: true, force: true });
    throw asFailure(error, `copying ${folder}`);
  }
}

/** Everything but `.git`; shares the blocks where the file system can. */
async function copyAll({ folder }: Tree, into: string, context: Context): Promise<void> {
  const entries = (await readdir(folder)).filter((entry) => entry !== ".git");
  await context.run.tool("cp", [
    ...["--recursive", "--no-dereference", "--preserve=mode,timestamps,links", "--reflink=auto"],
    ...["--target-directory", into, "--"],
    ...entries.map((entry) => join(folder, entry)),
  ]);
}

/** The listed files alone, through two tars: one program each instead of a round trip for each of 85,000 files. */
async function copyListed({ folder, files }: Tree, into: string, context: Context): Promise<void> {
  const list = temporaryNameFor(join(context.folders.temporary, "files"));
  await writeFile(list, files.map((path) => `${path}\0`).join(""));
  const reader = context.run.start("tar", [
    ...["--create", "--file=-", `--directory=${folder}`],
    ...["--null", "--no-recursion", `--files-from=${list}`],
  ]);
  const writer = context.run.start("tar", [
    ...["--extract", "--file=-", `--directory=${into}`, "--no-same-owner", "--preserve-permissions"],
  ]);
  let said = "";
  for (const { child } of [reader, writer]) {
    child.stderr.on("data", (data: Buffer) => {
      if (said.length < 4096) said += data.toString();
    });
  }
  writer.child.stdout.resume();
  try {
    await pipeline(reader.child.stdout, writer.child.stdin).catch(() => {}); // the exit codes judge
    const exits = await Promise.all([reader.finished, writer.finished]);
    context.signal.throwIfAborted();
    if (exits.every(({ code }) => code === 0)) return;
    const full = /No space left on device|Disk quota exceeded/.test(said);
    throw new Failure(
      full ? "disk-full" : "host-failed",
      `${full ? "the disk is full: " : ""}copying ${folder} failed`,
      {
        detail: said.trim().split("\n").slice(0, 10),
      },
    );
  } finally {
    await Promise.all([reader.stop(0), writer.stop(0), rm(list, { force: true })]);
  }
}

async function clean(into: string, context: Context, log: StageLog): Promise<void> {
  const signs = await Promise.all(buildSigns.map((sign) => exists(join(into, sign))));
  if (!signs.includes(true)) return;
  log.progress({ note: "make mrproper in the copy: the tree had been built in place" });
  const last: string[] = [];
  const { code } = await context.run.lines("make", ["-C", into, "mrproper"], {
    onLine: (line) => {
      log.output(line);
      last.push(line);
      if (last.length > 20) last.shift();
    },
  });
  if (code === 0) return;
  throw new Failure("compile-failed", `make mrproper failed in the copy of the tree (${code})`, {
    detail: last,
  });
}
