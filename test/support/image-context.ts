/** A context for tests of the image room: real programs, one scratch folder, nothing kept. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context, StageLog } from "../../src/context.ts";
import { createRunner, type Runner, toolEnvironment } from "../../src/host/process.ts";

export const silentLog: StageLog = { output: () => {}, progress: () => {} };

/** A scratch folder that is gone at the end of the scope. */
export async function scratchFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "bootgate-image-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** @param run another runner, or changes to the environment of the real one */
export function testContext(
  folder: string,
  options: {
    readonly run?: Partial<Runner>;
    readonly env?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  } = {},
): Context {
  const signal = options.signal ?? new AbortController().signal;
  const none = () => {
    throw new Error("not in this test");
  };
  return {
    logger: { info: () => {}, notice: () => {}, warning: () => {}, stage: (_, work) => work(silentLog) },
    folders: { cache: folder, temporary: folder, out: folder },
    store: { find: none, keep: none, workspace: none },
    run: { ...createRunner({ ...toolEnvironment(process.env), ...options.env }, signal), ...options.run },
    now: () => performance.now(),
    signal,
    proxy: {},
  };
}
