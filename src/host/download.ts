/**
 * Downloads that are proved by their hash: mirrors in order, resumed after a cut, bounded in time and size, and whole
 * under the final name or not there at all. Part files belong to one process; those of dead ones are adopted.
 */
import { mkdir, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Context, StageLog } from "../context.ts";
import { asFailure, Failure } from "../outcome.ts";
import { claimPart, type Part } from "./download-parts.ts";
import { createClient, Setback, type Transfer, transferOnce } from "./download-transfer.ts";
import { sha256OfFile } from "./files.ts";

/** All times in milliseconds on the monotonic clock. */
export interface DownloadLimits {
  readonly connectMs: number;
  /** Without a single byte. */
  readonly stallMs: number;
  /** For the whole file, all mirrors together. */
  readonly totalMs: number;
  /** A server slower than this many bytes a second over `rateWindowMs` is left for the next mirror. */
  readonly minimumRate: number;
  readonly rateWindowMs: number;
  /** At one mirror, where trying again can help. */
  readonly attempts: number;
  /** Before the second attempt; doubled each time. */
  readonly backOffMs: number;
  /** A Retry-After longer than this sends us to the next mirror. */
  readonly retryAfterMs: number;
}

export const defaultLimits: DownloadLimits = {
  connectMs: 10_000,
  stallMs: 30_000,
  totalMs: 60 * 60_000,
  minimumRate: 4096,
  rateWindowMs: 60_000,
  attempts: 3,
  backOffMs: 1000,
  retryAfterMs: 30_000,
};

export interface DownloadRequest {
  /** For messages: "linux 6.18.55". */
  readonly what: string;
  /** Mirrors in the order in which they are tried. */
  readonly urls: readonly string[];
  /** Lower-case hex. */
  readonly sha256: string;
  /** The most bytes that the file may have. */
  readonly maxBytes: number;
  /** Final path. Part files lie beside it. */
  readonly into: string;
  /** Why bytes are not what a file of this kind begins with ("it is a web page"), or undefined; for the message. */
  readonly describe?: (path: string) => Promise<string | undefined>;
  readonly limits?: Partial<DownloadLimits>;
}

export interface Downloaded {
  readonly url: string;
  /** What went wrong before it went right, one line each. */
  readonly attempts: readonly string[];
}

/**
 * Fetches one file.
 * @throws Failure `source-unreachable` (no mirror delivered; every attempt in the detail), `source-rejected` (what a mirror
 *   delivered in full is something else: stops at once), `disk-full`; the signal's reason when aborted
 */
export async function download(
  request: DownloadRequest,
  context: Context,
  log: StageLog,
): Promise<Downloaded> {
  const limits = { ...defaultLimits, ...request.limits };
  await mkdir(dirname(request.into), { recursive: true });
  const part = await claimPart(request.into);
  const attempts: string[] = [];
  const deadline = context.now() + limits.totalMs;
  const client = createClient(context.proxy, limits);
  try {
    for (const url of request.urls) {
      for (let attempt = 1; attempt <= limits.attempts; attempt++) {
        context.signal.throwIfAborted();
        try {
          await attemptOnce({ request, limits, deadline, url, part, client }, context, log);
          await part.finish();
          return { url, attempts };
        } catch (error) {
          context.signal.throwIfAborted();
          if (!(error instanceof Setback)) throw error;
          attempts.push(`${url}: ${error.message}`);
          log.output(`${url}: ${error.message}`);
          if (context.now() >= deadline) throw unreachable(request, attempts, "the time for it is over");
          const wait = error.retryAfterMs ?? limits.backOffMs * 2 ** (attempt - 1);
          if (!error.again || attempt === limits.attempts || wait > limits.retryAfterMs) break;
          log.progress({ note: `${error.message}; trying again in ${Math.ceil(wait / 1000)} s` });
          await pause(Math.min(wait, deadline - context.now()), undefined, { signal: context.signal });
        }
      }
    }
    throw unreachable(request, attempts, "no mirror delivered it");
  } catch (error) {
    const failure = context.signal.aborted ? error : await withFreeSpace(error, request);
    // What a mirror lied about is of no use to anyone; bytes that are merely too few are the next run's beginning.
    if (failure instanceof Failure && failure.failureClass === "source-rejected") await part.discard();
    else await part.release();
    throw failure;
  } finally {
    await client.destroy();
  }
}

/** Brings the part file to its whole, proved length, or throws. */
async function attemptOnce(transfer: Transfer, context: Context, log: StageLog): Promise<void> {
  const { request, part, url } = transfer;
  // A part that is whole already (its process died before the rename) needs no server.
  if ((await part.size()) > 0 && (await sha256OfFile(part.path)) === request.sha256) return;
  for (let round = 1; ; round++) {
    const resumed = await transferOnce(transfer, context, log);
    const actual = await sha256OfFile(part.path);
    if (actual === request.sha256) return;
    if (!resumed || round > 1) throw await rejected(request, url, actual, part);
    // The earlier bytes may have been another mirror's, or a crash's: from the beginning, once, tells whose fault it is.
    log.output(`${url}: the resumed file has the wrong hash, starting over`);
    await part.truncate();
  }
}

async function rejected(request: DownloadRequest, url: string, actual: string, part: Part): Promise<Failure> {
  const looks = await request.describe?.(part.path);
  const title = looks
    ? `${url} delivered something that is not an archive: ${looks}`
    : `${url} delivered ${request.what} with the wrong hash`;
  return new Failure("source-rejected", title, {
    detail: [
      `expected SHA-256: ${request.sha256}`,
      `actual SHA-256:   ${actual} (${await part.size()} bytes)`,
      `URL:              ${url}`,
      "Nothing of it was used. Do not use this mirror, or look for what changes downloads on the way.",
    ],
  });
}

function unreachable(request: DownloadRequest, attempts: readonly string[], why: string): Failure {
  return new Failure("source-unreachable", `${request.what} could not be downloaded: ${why}`, {
    detail: [...attempts],
  });
}

/** A full disk's error with the free space in it; any other as it is. */
async function withFreeSpace(error: unknown, request: DownloadRequest): Promise<Failure> {
  const failure = asFailure(error, `downloading ${request.what}`);
  if (failure.failureClass !== "disk-full" || / free/.test(failure.message)) return failure;
  const { bavail, bsize } = await statfs(dirname(request.into));
  return new Failure("disk-full", `${failure.message}; ${Math.round((bavail * bsize) / 1e6)} MB are free`, {
    detail: [`folder: ${dirname(request.into)}`],
    cause: error,
  });
}
