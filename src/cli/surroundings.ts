/**
 * The terminal's surroundings, made into values: this is the one place behind the terminal's door that reads the
 * environment, the clock and the streams.
 */
import { mkdir, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Context, Logger } from "../context.ts";
import { createRunner, toolEnvironment } from "../host/process.ts";
import { localStore, type StoreMode, sweepAbandoned } from "../store/local.ts";
import { terminalLogger } from "./logger.ts";
import { coloured, plain } from "./progress.ts";

const proxyNames = ["http_proxy", "https_proxy", "no_proxy"] as const;

/** The cache's folder by the XDG base directory specification. */
export function cacheFolder(environment: NodeJS.ProcessEnv): string {
  const base = environment.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "bootgate");
}

/** True when this stream may be coloured (https://no-color.org). */
export function mayColour(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): boolean {
  if (environment.NO_COLOR) return false;
  return Boolean(environment.FORCE_COLOR) || (stream.isTTY && environment.TERM !== "dumb");
}

/** The logger of this terminal. */
export function createLogger(): Logger {
  const paint = mayColour(process.stderr, process.env) ? coloured : plain;
  return terminalLogger(process.stderr, monotonic, paint);
}

const monotonic = () => performance.now();

/**
 * Makes the context of one command and removes its scratch folder afterwards.
 * @param out the out folder, as written
 */
export async function withContext<T>(
  options: { readonly out: string; readonly cache: StoreMode; readonly signal: AbortSignal },
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const logger = createLogger();
  const cache = cacheFolder(process.env);
  const making = join(cache, "making");
  await mkdir(making, { recursive: true });
  await sweepAbandoned(making);
  const temporary = join(making, `run.${process.pid}.${randomBytes(4).toString("hex")}`);
  await mkdir(temporary);
  const proxy = Object.fromEntries(
    proxyNames.flatMap((name) => {
      const value = process.env[name] ?? process.env[name.toUpperCase()];
      return value ? [[name, value]] : [];
    }),
  );
  try {
    return await work({
      logger,
      folders: { cache, temporary, out: resolve(options.out) },
      store: localStore(cache, options.cache, (message) => logger.warning(message)),
      run: createRunner(toolEnvironment(process.env), options.signal),
      now: monotonic,
      signal: options.signal,
      proxy,
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
