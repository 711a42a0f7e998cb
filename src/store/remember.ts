/** One stage, remembered: asked of the store by the hash of its ingredients, made only when the store has not got it. */
import { rm } from "node:fs/promises";
import type { Context, StageLog } from "../context.ts";
import { type Artifact, sha256Of } from "../host/files.ts";
import { asFailure, Failure } from "../outcome.ts";

/** Raised when what a stage makes from the same ingredients changes: old entries are then never found again. */
const generation = 1;

/** How a stage went: wall and CPU milliseconds of this run; `hit` when the store had it. */
export interface StageRecord {
  readonly name: string;
  readonly key: string;
  readonly hit: boolean;
  readonly ms: number;
  readonly cpuMs: number;
}

export interface Remembered<Value> {
  readonly value: Value;
  readonly files: readonly Artifact[];
  readonly stage: StageRecord;
}

/** What a stage's work gives back: JSON-able facts and the CPU time it cost. */
export interface Made<Value> {
  readonly value: Value;
  readonly cpuMs?: number;
}

/** The key of a stage: the hash of all that goes into it, by name, whatever the order it was written in. */
export function keyOf(stage: string, ingredients: Readonly<Record<string, unknown>>): string {
  return sha256Of(JSON.stringify([generation, stage, canonical(ingredients)]));
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => [name, canonical(inner)]);
}

/**
 * Gives a stage's outcome from the store, or makes it and keeps it.
 * @param stage the stage's name, for people and in keys
 * @param ingredients all that shapes the outcome, JSON-able: hashes, versions, options
 * @param make writes the stage's files into the empty folder it is given
 */
export async function remember<Value>(
  context: Context,
  stage: string,
  ingredients: Readonly<Record<string, unknown>>,
  make: (folder: string, log: StageLog) => Promise<Made<Value>>,
): Promise<Remembered<Value>> {
  const key = keyOf(stage, ingredients);
  return context.logger.stage(
    stage,
    async (log) => {
      const started = context.now();
      const record = (hit: boolean, cpuMs: number): StageRecord => ({
        name: stage,
        key,
        hit,
        ms: Math.round(context.now() - started),
        cpuMs,
      });
      const found = await context.store.find(stage, key);
      if (found) return { value: found.value as Value, files: found.files, stage: record(true, 0) };
      const folder = await context.store.workspace(stage);
      try {
        const made = await make(folder, log);
        const entry = await context.store.keep(stage, key, folder, made.value);
        return { value: made.value, files: entry.files, stage: record(false, made.cpuMs ?? 0) };
      } catch (error) {
        await rm(folder, { recursive: true, force: true });
        // What goes wrong while everything is being ended went wrong because of that.
        throw context.signal.aborted
          ? new Failure("cancelled", `${stage} was given up`)
          : asFailure(error, stage);
      }
    },
    (outcome) => (outcome.stage.hit ? "from the store" : ""),
  );
}

/** The file of that name among a stage's. */
export function fileNamed(files: readonly Artifact[], name: string): Artifact {
  const found = files.find((file) => file.name === name);
  if (found === undefined) throw new Error(`the stage made no ${name}`);
  return found;
}
