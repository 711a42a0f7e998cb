/** One request of a download: undici through the run's proxy, from a byte on, under its time limits, into the part file. */
import { open, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type Dispatcher, EnvHttpProxyAgent, interceptors } from "undici";
import type { Context, StageLog } from "../context.ts";
import { Failure } from "../outcome.ts";
import type { DownloadLimits, DownloadRequest } from "./download.ts";
import type { Part } from "./download-parts.ts";

/** One attempt's end that another attempt (`again`), or another mirror, may mend. */
export class Setback extends Error {
  readonly again: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(message: string, again: boolean, retryAfterMs?: number) {
    super(message);
    this.again = again;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Transfer {
  readonly request: DownloadRequest;
  readonly limits: DownloadLimits;
  /** Monotonic milliseconds. */
  readonly deadline: number;
  readonly url: string;
  readonly part: Part;
  readonly client: Dispatcher;
}

/** Kept free beyond what a download needs. */
const spareBytes = 16 << 20;

/** An HTTP client for one download. Empty strings keep undici from looking into the environment by itself. */
export function createClient(proxy: Readonly<Record<string, string>>, limits: DownloadLimits): Dispatcher {
  const setting = (name: string) => proxy[name] ?? proxy[name.toUpperCase()] ?? "";
  const agent = new EnvHttpProxyAgent({
    httpProxy: setting("http_proxy"),
    httpsProxy: setting("https_proxy"),
    noProxy: setting("no_proxy"),
    connect: { timeout: limits.connectMs },
    // The transfer's own watch is exact and counts from the last byte.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return agent.compose(interceptors.redirect({ maxRedirections: 5 }));
}

/**
 * One request, from the end of what the part file holds, until the server's answer is complete.
 * @returns whether earlier bytes were kept
 * @throws Setback; Failure `disk-full`, `source-rejected` (larger than allowed)
 */
export async function transferOnce(transfer: Transfer, context: Context, log: StageLog): Promise<boolean> {
  const { request, limits, url, part } = transfer;
  const offset = await part.size();
  const watch = createWatch(transfer, context);
  let body: Dispatcher.ResponseData["body"] | undefined;
  try {
    log.progress({ note: `${request.what} from ${new URL(url).host}` });
    const answer = await transfer.client.request({
      origin: new URL(url).origin,
      path: new URL(url).pathname + new URL(url).search,
      method: "GET",
      headers: {
        "user-agent": "bootgate",
        "accept-encoding": "identity",
        ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
      },
      signal: watch.signal,
    });
    const { statusCode, headers } = answer;
    body = answer.body;
    body.on("error", () => {}); // judged where it is read
    const start = startOf(statusCode, headers, offset);
    if (start !== offset) await part.truncate();
    if (start === undefined) {
      throw new Setback("the server has no such range, starting over", true, 0);
    }
    const length = Number(headers["content-length"] ?? Number.NaN);
    const whole = Number.isFinite(length) ? start + length : undefined;
    if (whole !== undefined && whole > request.maxBytes) throw tooLarge(request, url);
    await requireSpace(request, length || 0);
    const done = await store(body, start, whole, transfer, watch.alive, log);
    if (whole !== undefined && done < whole) throw new Setback(`cut short: ${done} of ${whole} bytes`, true);
    return start > 0;
  } catch (error) {
    context.signal.throwIfAborted();
    if (watch.signal.aborted) throw watch.signal.reason;
    if (error instanceof Failure || error instanceof Setback) throw error;
    throw setbackOf(error, limits);
  } finally {
    watch.end();
    // An answer that was not read to its end would hold its connection open for ever.
    body?.destroy();
  }
}

async function store(
  body: AsyncIterable<Buffer>,
  start: number,
  whole: number | undefined,
  { request, url, part }: Transfer,
  alive: (bytes: number) => void,
  log: StageLog,
): Promise<number> {
  let done = start;
  const file = await open(part.path, "a");
  try {
    for await (const chunk of body) {
      alive(chunk.length);
      done += chunk.length;
      if (done > request.maxBytes) throw tooLarge(request, url);
      await file.writeFile(chunk);
      log.progress({ done, ...(whole === undefined ? {} : { total: whole }), note: request.what });
    }
  } finally {
    await file.close();
  }
  return done;
}

/** The byte at which an answer starts, or undefined when the part does not fit the server's file. @throws Setback */
function startOf(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  offset: number,
): number | undefined {
  if (status === 200) return 0;
  if (status === 206) {
    const start = Number(/^bytes (\d+)-/.exec(String(headers["content-range"]))?.[1]);
    return start === offset ? offset : undefined;
  }
  if (status === 416 && offset > 0) return undefined;
  const again = status === 408 || status === 429 || status >= 500;
  throw new Setback(`HTTP status ${status}`, again, retryAfter(headers["retry-after"]));
}

/** Retry-After (RFC 9110, 10.2.3: seconds or a date) in milliseconds. */
export function retryAfter(value: string | string[] | undefined): number | undefined {
  if (typeof value !== "string" || value.trim() === "") return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Ends a transfer that stalls, crawls or takes too long; `alive` is told of every byte. */
function createWatch({ limits, deadline }: Transfer, context: Context) {
  const controller = new AbortController();
  const stop = (message: string, again: boolean) => controller.abort(new Setback(message, again));
  const timers = [
    setTimeout(() => stop("the time for it is over", false), Math.max(1, deadline - context.now())),
    setTimeout(() => stop(`stalled: no byte for ${limits.stallMs / 1000} s`, true), limits.stallMs),
  ] as const;
  let bytes = 0;
  const rate = setInterval(() => {
    if (bytes < (limits.minimumRate * limits.rateWindowMs) / 1000) {
      stop(`too slow: ${bytes} bytes in ${limits.rateWindowMs / 1000} s`, false);
    }
    bytes = 0;
  }, limits.rateWindowMs);
  const onAbort = () => controller.abort(context.signal.reason);
  context.signal.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    alive: (count: number) => {
      bytes += count;
      timers[1].refresh();
    },
    end: () => {
      for (const timer of [...timers, rate]) clearTimeout(timer);
      context.signal.removeEventListener("abort", onAbort);
    },
  };
}

/** Error codes of connections that are not worth another attempt at the same server right away. */
const hopeless: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name can't be looked up: no network, or no name server",
  ECONNREFUSED: "connection refused",
  ENETUNREACH: "network unreachable",
  EHOSTUNREACH: "host unreachable",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
};

function setbackOf(error: unknown, limits: DownloadLimits): Setback | Error {
  const { code, message, cause, errors } = error as NodeJS.ErrnoException & {
    errors?: NodeJS.ErrnoException[];
  };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EIO" || code === "EACCES" || code === "EROFS") {
    return error as Error;
  }
  const known = [code, ...(errors ?? []).map((one) => one.code), (cause as NodeJS.ErrnoException)?.code];
  const said = known.map((one) => hopeless[one ?? ""]).find(Boolean);
  if (code === "UND_ERR_CONNECT_TIMEOUT") return new Setback(`${said} (${limits.connectMs / 1000} s)`, false);
  if (said) return new Setback(said, false);
  if (/CERT|TLS|SSL|UNABLE_TO/.test(code ?? "")) return new Setback(`TLS: ${message}`, false);
  return new Setback(`the connection broke: ${message || code}`, true);
}

function tooLarge({ what, maxBytes }: DownloadRequest, url: string): Failure {
  return new Failure("source-rejected", `${url} delivers more than ${what} can have (${maxBytes} bytes)`, {
    detail: ["The download was stopped and nothing of it kept."],
  });
}

async function requireSpace(request: DownloadRequest, bytes: number): Promise<void> {
  const folder = dirname(request.into);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + (bytes > 0 ? Math.min(spareBytes, bytes) : 0)) return;
  throw new Failure(
    "disk-full",
    `too little room to download ${request.what}: ${Math.ceil(bytes / 1e6)} MB to come, ${Math.round(free / 1e6)} MB free`,
    { detail: [`folder: ${folder}`] },
  );
}
