/**
 * What a stage may touch besides its values. A door makes one context and passes it along, so that a test hands in its
 * own and no room reads the environment.
 */
import type { Runner } from "./host/process.ts";
import type { Store } from "./store/store.ts";

/** What a running stage says of itself while it works. */
export interface StageLog {
  /** A line of a tool's output: kept for the stage's group and its log file, not for a person's attention. */
  output(line: string): void;
  /** How far the stage is: `done` of `total` (any unit), and what is being done. */
  progress(state: { readonly done?: number; readonly total?: number; readonly note?: string }): void;
}

/** The logger's interface; the terminal and the workflow each have their own. */
export interface Logger {
  info(message: string): void;
  /** Something that a person should know, though nothing is wrong: a fallback, an accelerator that was not used. */
  notice(message: string): void;
  warning(message: string): void;
  /**
   * Runs one stage under a name. Its output is shown as one group when it ends; a heartbeat or progress meanwhile.
   * @param passed whether the outcome is a good one; a boot that fails is a stage that worked
   * @param describe a short outcome for the line that ends the stage ("12.3 MB, from the store")
   */
  stage<T>(
    name: string,
    work: (log: StageLog) => Promise<T>,
    describe?: (value: T) => string,
    passed?: (value: T) => boolean,
  ): Promise<T>;
}

/** Folders that a run may write to; all absolute. */
export interface Folders {
  /** Kept between runs: the store, downloads, ccache. */
  readonly cache: string;
  /** This run's own scratch space, removed when it ends. */
  readonly temporary: string;
  /** Where results and evidence go. */
  readonly out: string;
}

export interface Context {
  readonly logger: Logger;
  readonly folders: Folders;
  readonly store: Store;
  readonly run: Runner;
  /** Monotonic milliseconds: a clock that jumps changes no limit. */
  readonly now: () => number;
  /** Ends everything when the run is cancelled. */
  readonly signal: AbortSignal;
  /** Proxy settings and the like that downloads honour (http_proxy, https_proxy, no_proxy), read by the door. */
  readonly proxy: Readonly<Record<string, string>>;
}
