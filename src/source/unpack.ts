/**
 * Unpacking an archive: decompressor → guard → GNU tar, all at once, into an empty folder. What goes wrong leaves the
 * folder empty, and nothing outside it is ever written.
 */
import { mkdtemp, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Context, StageLog } from "../context.ts";
import { asFailure, Failure } from "../outcome.ts";
import { compressionOfFile, openTar } from "./archive.ts";
import { TarGuard } from "./guard.ts";

/** No source tree comes near this: linux 7.1 has 1.7 GB. */
const mostUnpacked = 8 * 2 ** 30;
/** A kernel's ratio is 10 (xz); a bomb's is above 1000. Small archives may be better packed. */
const mostRatio = 60;
const alwaysAllowed = 256 << 20;

export interface UnpackRequest {
  readonly archive: string;
  /** Lower-case hex; compared with the bytes that were unpacked. */
  readonly sha256: string;
  /** For messages: "linux 6.12.117". */
  readonly what: string;
  /** An existing empty folder. */
  readonly into: string;
  /** The most bytes unpacked; for tests. */
  readonly maximum?: number;
}

/**
 * Unpacks an archive's tree into `into`; a single top folder is taken off.
 * @throws Failure `source-rejected`, `disk-full`, `missing-program`, `host-failed`
 */
export async function unpackArchive(request: UnpackRequest, context: Context, log: StageLog): Promise<void> {
  const { archive, what, into } = request;
  const { size } = await stat(archive);
  const compression = await compressionOfFile(archive, what);
  await requireSpace(into, size * compression.ratio, what);
  const maximum = request.maximum ?? Math.min(mostUnpacked, Math.max(size * mostRatio, alwaysAllowed));
  // A folder of its own inside `into`, so that its content moves up by renames and a refused archive goes in one piece.
  const work = await mkdtemp(join(into, ".unpack-"));
  try {
    const { sha256, crossing } = await extract(request, work, size, maximum, context, log);
    if (sha256 !== request.sha256) {
      throw new Failure("source-rejected", `${what} changed while it was being unpacked`, {
        detail: [`expected: ${request.sha256}`, `actual:   ${sha256}`, `file:     ${archive}`],
      });
    }
    const tree = await treeIn(work);
    if (tree !== work && crossing) {
      throw new Failure(
        "source-rejected",
        `${what} was refused: its member "${crossing}" is a link leading out`,
      );
    }
    await moveUp(tree, into);
  } catch (error) {
    await clear(into);
    throw await withFreeSpace(asFailure(error, `unpacking ${what}`), into);
  }
  await rm(work, { recursive: true, force: true });
}

async function extract(
  { archive, what }: UnpackRequest,
  work: string,
  size: number,
  maximum: number,
  context: Context,
  log: StageLog,
): Promise<{ sha256: string; crossing: string | undefined }> {
  const tar = context.run.start("tar", tarArguments(work));
  let said = "";
  tar.child.stderr.on("data", (data: Buffer) => {
    if (said.length < 4096) said += data.toString();
  });
  tar.child.stdout.resume();
  const input = await openTar(archive, what, context).catch(async (error) => {
    await tar.stop(0);
    throw error;
  });
  const guard = new TarGuard({ what, maximum });
  const ticker = setInterval(() => {
    log.progress({ done: input.consumed(), total: size, note: `unpacking ${what}` });
  }, 250);
  try {
    const flow = await pipeline(input.stream, guard, (chunks: AsyncIterable<Buffer>) =>
      feed(tar.child.stdin, chunks),
    ).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    if (flow instanceof Failure) throw flow;
    // tar ended early (a full disk): what it said is the reason, the broken pipe only the sign of it.
    if (flow !== undefined) await input.stop();
    else await input.finished;
    const exit = await tar.finished;
    context.signal.throwIfAborted();
    if (exit.code !== 0) throw tarFailed(what, said, exit.code ?? exit.signal);
    if (flow !== undefined) throw flow;
    if (guard.rules.count === 0)
      throw new Failure("source-rejected", `${what} is not an archive: it holds nothing`);
    log.progress({ done: size, total: size, note: `${guard.rules.count} files` });
    return { sha256: await input.finished, crossing: guard.rules.crossing };
  } catch (error) {
    await Promise.all([tar.stop(0), input.stop()]);
    throw error;
  } finally {
    clearInterval(ticker);
  }
}

/**
 * Feeds a program that may end first: then its exit code is the judge, and a broken pipe only the sign of it. (A stream
 * pipeline would call it an error even when the program ends between the last byte and the end of the pipe.)
 */
async function feed(stdin: Writable, chunks: AsyncIterable<Buffer>): Promise<void> {
  const closed = new Promise<void>((resolve) => stdin.once("close", resolve));
  stdin.on("error", () => {});
  for await (const chunk of chunks) {
    if (stdin.destroyed) throw new Error("tar ended before the archive did");
    if (!stdin.write(chunk)) {
      let resume = () => {};
      const drained = new Promise<void>((resolve) => {
        resume = resolve;
        stdin.once("drain", resume);
      });
      await Promise.race([drained, closed]);
      stdin.off("drain", resume);
    }
  }
  stdin.end();
}

/**
 * GNU tar's arguments. Owners are never restored and modes come from the archive whatever the umask, so that the tree is
 * the same for everyone; the times of the files are the archive's.
 */
export function tarArguments(into: string): string[] {
  return ["--extract", "--file=-", `--directory=${into}`, "--no-same-owner", "--preserve-permissions"];
}

function tarFailed(what: string, said: string, code: number | string | null): Failure {
  const full = /No space left on device|Disk quota exceeded/i.test(said);
  return new Failure(
    full ? "disk-full" : "host-failed",
    full ? `the disk is full: unpacking ${what}` : `tar failed to unpack ${what} (${code})`,
    { detail: said.trim().split("\n").slice(0, 10) },
  );
}

/** The folder that holds the tree: the archive's single top folder, else where it was unpacked. */
async function treeIn(work: string): Promise<string> {
  const entries = await readdir(work, { withFileTypes: true });
  const only = entries.length === 1 ? entries[0] : undefined;
  return only?.isDirectory() ? join(work, only.name) : work;
}

async function moveUp(tree: string, into: string): Promise<void> {
  for (const entry of await readdir(tree)) await rename(join(tree, entry), join(into, entry));
}

async function clear(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) await rm(join(folder, entry), { recursive: true, force: true });
}

async function requireSpace(folder: string, bytes: number, what: string): Promise<void> {
  const free = await freeSpace(folder);
  if (free >= bytes) return;
  throw new Failure(
    "disk-full",
    `too little room to unpack ${what}: it needs about ${mega(bytes)}, ${mega(free)} are free`,
    {
      detail: [
        `folder: ${folder}`,
        "Free space (`bootgate cache prune`) or point XDG_CACHE_HOME and TMPDIR elsewhere.",
      ],
    },
  );
}

async function withFreeSpace(failure: Failure, folder: string): Promise<Failure> {
  if (failure.failureClass !== "disk-full" || /free/.test(failure.message)) return failure;
  return new Failure(
    "disk-full",
    `${failure.message}: ${mega(await freeSpace(folder))} are free in ${folder}`,
    {
      detail: failure.detail,
      cause: failure,
    },
  );
}

async function freeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function mega(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
