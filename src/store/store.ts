/**
 * Remembering a stage's outcome by the hash of all that went into it. This file is the interface; `local.ts` is the
 * folder on this computer, and another place (a workflow's cache service) stands behind the same interface.
 */
import type { Artifact } from "../host/files.ts";

/** What a stage left behind: JSON-able facts, and files by their names in the entry. */
export interface Entry<Value = unknown> {
  readonly value: Value;
  /** Absolute paths into the store: read them, never write to them. */
  readonly files: readonly Artifact[];
}

export interface Store {
  /**
   * Gives a stage's outcome, every file hashed and found whole; undefined when it is not there or was damaged
   * (damage is said as a warning, and the entry is dropped).
   */
  find(stage: string, key: string): Promise<Entry | undefined>;
  /**
   * Keeps a stage's outcome: `folder` (made by `workspace`) is taken over whole, atomically. When another run kept the
   * same key first, that one is returned.
   */
  keep(stage: string, key: string, folder: string, value: unknown): Promise<Entry>;
  /** An empty folder on the store's own file system in which a stage can make its files. */
  workspace(stage: string): Promise<string>;
}
