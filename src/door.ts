/**
 * What the two doors share: from an environment, a logger and an abort signal to the context that stages see. The doors
 * hand their environment in; nothing here reads one by itself.
 */
import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Context, Logger } from "./context.ts";
import { makeFolder } from "./host/files.ts";
import { createRunner, toolEnvironment } from "./host/process.ts";
import { localStore, makingFolder, type StoreMode, sweepAbandoned } from "./store/local.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The cache's folder by the XDG base directory specification. */
export function cacheFolder(environment: Environment): string {
  const base = environment.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "bootgate");
}

/** Proxy settings, in either spelling, under their lower-case names. */
function proxyOf(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => {
      const value = environment[name] ?? environment[name.toUpperCase()];
      return value ? [[name, value]] : [];
    }),
  );
}

export interface DoorOptions {
  readonly environment: Environment;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The out folder as it was written; relative to `workspace`. */
  readonly out: string;
  readonly workspace: string;
  readonly cache: StoreMode;
}

/** Makes the context of one command, and removes its scratch folder (and those of runs that were killed) afterwards. */
export async function withContext<T>(
  options: DoorOptions,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const { environment, logger, signal } = options;
  const cache = cacheFolder(environment);
  await makeFolder(cache, "host-failed", "point XDG_CACHE_HOME to a folder of your own");
  await sweepAbandoned(cache);
  const temporary = await makingFolder(cache, "run");
  try {
    return await work({
      logger,
      folders: { cache, temporary, out: resolve(options.workspace, options.out) },
      store: localStore(cache, options.cache, (message) => logger.warning(message)),
      run: createRunner(toolEnvironment(environment), signal),
      now: () => performance.now(),
      signal,
      proxy: proxyOf(environment),
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
