/** `bootgate cache ls|verify|prune`: the local store, looked at, checked and shrunk. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { Failure } from "../outcome.ts";
import { megabytes } from "../report/summary.ts";
import { bytes } from "../spec/forms.ts";
import { listEntries, pruneEntries, sweepAbandoned, verifyEntries } from "../store/local.ts";

/** What a verb found or did: rows for people, the same as a value for `--json`. */
export interface CacheAnswer {
  readonly value: unknown;
  readonly text: string;
  /** True when `verify` met a damaged entry. */
  readonly damaged: boolean;
}

/** Folders beside the entries that can be fetched or made again. */
const refillable = ["downloads", "ccache", "sources"] as const;

/**
 * Runs one verb on the store in `root`.
 * @param keep for `prune`: how much to keep, such as "2G"; "0" removes everything
 */
export async function runCache(
  verb: "ls" | "verify" | "prune",
  keep: string,
  root: string,
): Promise<CacheAnswer> {
  if (verb === "prune") return prune(keep, root);
  const entries = verb === "verify" ? await verifyEntries(root) : await listEntries(root);
  const rows = entries.map((entry) => {
    const damage = "damage" in entry ? (entry.damage ?? "whole") : new Date(entry.usedAt).toISOString();
    return `${entry.stage.padEnd(10)} ${megabytes(entry.size).padStart(10)}  ${entry.key.slice(0, 16)}  ${damage}`;
  });
  const others = await Promise.all(
    refillable.map(async (name) => ({ name, size: await folderSize(join(root, name)) })),
  );
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  const text = [
    ...rows,
    `${entries.length} entries, ${megabytes(total)}, in ${root}`,
    ...others.map(({ name, size }) => `${name}: ${megabytes(size)}`),
  ].join("\n");
  const damaged = entries.some((entry) => "damage" in entry && entry.damage !== undefined);
  return { value: { root, entries, others }, text, damaged };
}

async function prune(keep: string, root: string): Promise<CacheAnswer> {
  const parsed = keep === "0" ? { success: true as const, output: 0 } : v.safeParse(bytes, keep);
  if (!parsed.success) throw new Failure("bad-request", `keep: ${parsed.issues[0].message}`);
  const removed = await pruneEntries(root, parsed.output);
  await sweepAbandoned(root);
  if (parsed.output === 0) {
    for (const name of refillable) await rm(join(root, name), { recursive: true, force: true });
  }
  const freed = removed.reduce((sum, entry) => sum + entry.size, 0);
  const text = `removed ${removed.length} entries, ${megabytes(freed)}${parsed.output === 0 ? ", downloads and ccache" : ""}`;
  return { value: { root, removed }, text, damaged: false };
}

async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          (found) => found.size,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
