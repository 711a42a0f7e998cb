/** A context for tests: real programs and real files in a folder of the test's own, a silent logger that remembers. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context, Logger } from "../../src/context.ts";
import { createRunner, toolEnvironment } from "../../src/host/process.ts";
import { localStore, type StoreMode } from "../../src/store/local.ts";

export interface TestContext extends Context, AsyncDisposable {
  /** Notices and warnings, in order. */
  readonly said: string[];
  readonly cancel: AbortController;
  readonly root: string;
}

/** A context in a new folder, which is removed with it. */
export async function testContext(options: { readonly store?: StoreMode } = {}): Promise<TestContext> {
  const root = await mkdtemp(join(tmpdir(), "bootgate-test-"));
  const folders = { cache: join(root, "cache"), temporary: join(root, "temporary"), out: join(root, "out") };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const logger: Logger = {
    info: () => {},
    notice: say,
    warning: say,
    stage: async (_name, work) => work({ output: () => {}, progress: () => {} }),
  };
  const cancel = new AbortController();
  return {
    root,
    logger,
    folders,
    said,
    cancel,
    store: localStore(folders.cache, options.store ?? "auto", say),
    run: createRunner(toolEnvironment(process.env), cancel.signal),
    now: () => performance.now(),
    signal: cancel.signal,
    proxy: {},
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
