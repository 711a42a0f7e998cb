/**
 * Part files: what a download has so far, beside its final name. Each belongs to one process, whose number is in its
 * name; that of a dead process is adopted by an atomic rename, so that a download goes on after kill -9 and two
 * processes at once never write to one file.
 */
import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm, stat, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isAlive, machineTag } from "./ownership.ts";

export interface Part {
  readonly path: string;
  /** Bytes so far. */
  size(): Promise<number>;
  truncate(): Promise<void>;
  /** Makes it the final file: on disk first, then under its name. */
  finish(): Promise<void>;
  /** Leaves it for the next attempt, of this process or another. */
  release(): Promise<void>;
  discard(): Promise<void>;
}

/** A part of another machine or container is taken for orphaned after this long without a byte (a stall ends at 30 s). */
const foreignMs = 5 * 60_000;

/** A part file for the download of `final`: an orphan's when there is one, else a new one. The folder must exist. */
export async function claimPart(final: string): Promise<Part> {
  const own = `${final}.part.${machineTag()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  const sizes = await Promise.all(
    (await orphansOf(final)).map(async (path) => ({ path, size: await sizeOf(path) })),
  );
  let adopted = false;
  for (const { path } of sizes.sort((a, b) => b.size - a.size)) {
    // The largest is adopted, the others are in the way. ENOENT: another process was faster.
    if (adopted) await rm(path, { force: true });
    else
      adopted = await rename(path, own).then(
        () => true,
        () => false,
      );
  }
  if (!adopted) await (await open(own, "wx")).close();
  return {
    path: own,
    size: () => sizeOf(own),
    truncate: () => truncate(own, 0),
    finish: async () => {
      const file = await open(own, "r+");
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(own, final);
    },
    release: async () => {
      if ((await sizeOf(own)) === 0) await rm(own, { force: true });
      else await rename(own, `${final}.part.released-0-${randomBytes(4).toString("hex")}`);
    },
    discard: () => rm(own, { force: true }),
  };
}

async function orphansOf(final: string): Promise<string[]> {
  const prefix = `${basename(final)}.part.`;
  const names = (await readdir(dirname(final))).filter((name) => name.startsWith(prefix));
  const paths = await Promise.all(
    names.map(async (name) => {
      const path = join(dirname(final), name);
      const [tag, pid] = name.slice(prefix.length).split("-");
      if (tag === "released") return path;
      if (tag === machineTag()) return isAlive(Number(pid)) ? undefined : path;
      const changed = await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => Number.POSITIVE_INFINITY,
      );
      return Date.now() - changed > foreignMs ? path : undefined;
    }),
  );
  return paths.filter((path) => path !== undefined);
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
