/**
 * The store in a folder on this computer. An entry is a folder named by stage and key that appears whole, by rename, or
 * not at all; every file is hashed again before it is used. Two runs may share the folder: the first to keep a key wins.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { artifactOf, sha256OfFile, writeAtomically } from "../host/files.ts";
import { isAlive, machineTag } from "../host/ownership.ts";
import type { Entry, Store } from "./store.ts";

const metaName = "entry.json";

const metaSchema = v.object({
  stage: v.string(),
  key: v.string(),
  value: v.unknown(),
  files: v.array(v.object({ name: v.string(), sha256: v.string(), size: v.number() })),
});

type Meta = v.InferOutput<typeof metaSchema>;

/** An entry as `cache ls` shows it; times in milliseconds since 1970, sizes in bytes. */
export interface Listed {
  readonly stage: string;
  readonly key: string;
  readonly size: number;
  readonly usedAt: number;
  readonly folder: string;
}

/** Which directions are open. `auto` on this computer is both. */
export type StoreMode = "auto" | "read" | "write" | "off";

/**
 * The store in `root`.
 * @param warn is told of entries that were damaged and are therefore not used
 */
export function localStore(root: string, mode: StoreMode, warn: (message: string) => void): Store {
  const folderOf = (stage: string, key: string) => join(root, "entries", `${stage}-${key}`);

  const find: Store["find"] = async (stage, key) => {
    if (mode === "write" || mode === "off") return undefined;
    const folder = folderOf(stage, key);
    const meta = await readMeta(folder);
    if (meta === undefined) return undefined;
    const damage = await damageOf(folder, meta);
    if (damage !== undefined) {
      warn(`the stored ${stage} is damaged (${damage}) and is made again`);
      await discard(folder);
      return undefined;
    }
    return entryOf(folder, meta);
  };

  const keep: Store["keep"] = async (stage, key, made, value) => {
    const names = (await readdir(made)).filter((name) => name !== metaName).sort();
    const files = await Promise.all(names.map((name) => artifactOf(join(made, name))));
    const meta: Meta = {
      stage,
      key,
      value,
      files: files.map(({ name, sha256, size }) => ({ name, sha256, size })),
    };
    await writeAtomically(join(made, metaName), JSON.stringify(meta, null, 2));
    if (mode === "read" || mode === "off") return entryOf(made, meta);
    const folder = folderOf(stage, key);
    await mkdir(join(root, "entries"), { recursive: true });
    try {
      await rename(made, folder);
      return entryOf(folder, meta);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    }
    // Another run was first, or an entry that `find` was not allowed to use stands there.
    const theirs = await readMeta(folder);
    if (theirs !== undefined && (await damageOf(folder, theirs)) === undefined)
      return entryOf(folder, theirs);
    await discard(folder);
    await rename(made, folder);
    return entryOf(folder, meta);
  };

  const workspace: Store["workspace"] = async (stage) => {
    return makingFolder(root, stage);
  };

  return { find, keep, workspace };
}

/** Renamed away first, so that nobody meets a half-deleted entry. */
async function discard(folder: string): Promise<void> {
  const grave = `${folder}.gone.${randomBytes(4).toString("hex")}`;
  await rename(folder, grave).catch(() => {});
  await rm(grave, { recursive: true, force: true });
}

async function readMeta(folder: string): Promise<Meta | undefined> {
  try {
    return v.parse(metaSchema, JSON.parse(await readFile(join(folder, metaName), "utf8")));
  } catch {
    return undefined;
  }
}

/** What is wrong with an entry's files; undefined when each is whole. */
async function damageOf(folder: string, meta: Meta): Promise<string | undefined> {
  for (const file of meta.files) {
    const path = join(folder, file.name);
    const size = await stat(path).then(
      (found) => found.size,
      () => undefined,
    );
    if (size === undefined) return `${file.name} is gone`;
    if (size !== file.size) return `${file.name} has ${size} bytes instead of ${file.size}`;
    if ((await sha256OfFile(path)) !== file.sha256) return `${file.name} has another SHA-256`;
  }
  return undefined;
}

function entryOf(folder: string, meta: Meta): Entry {
  return {
    value: meta.value,
    files: meta.files.map((file) => ({ ...file, path: join(folder, file.name) })),
  };
}

/** Every entry of the store, the one used longest ago first. */
export async function listEntries(root: string): Promise<Listed[]> {
  const names = await readdir(join(root, "entries")).catch(() => [] as string[]);
  const listed = await Promise.all(
    names.map(async (name) => {
      const folder = join(root, "entries", name);
      const meta = await readMeta(folder);
      if (meta === undefined) return undefined;
      const size = meta.files.reduce((sum, file) => sum + file.size, 0);
      const usedAt = (await stat(join(folder, metaName))).atimeMs;
      return { stage: meta.stage, key: meta.key, size, usedAt, folder };
    }),
  );
  return listed.filter((entry) => entry !== undefined).sort((a, b) => a.usedAt - b.usedAt);
}

/** Hashes every file of every entry; gives each damaged entry with what is wrong. Drops nothing. */
export async function verifyEntries(
  root: string,
): Promise<readonly (Listed & { readonly damage: string | undefined })[]> {
  const checked = [];
  for (const entry of await listEntries(root)) {
    const meta = await readMeta(entry.folder);
    checked.push({
      ...entry,
      damage: meta === undefined ? "entry.json is gone" : await damageOf(entry.folder, meta),
    });
  }
  return checked;
}

/** Removes entries, the one used longest ago first, until at most `keepBytes` are left. */
export async function pruneEntries(root: string, keepBytes: number): Promise<readonly Listed[]> {
  const entries = await listEntries(root);
  let total = entries.reduce((sum, entry) => sum + entry.size, 0);
  const removed: Listed[] = [];
  for (const entry of entries) {
    if (total <= keepBytes) break;
    await discard(entry.folder);
    total -= entry.size;
    removed.push(entry);
  }
  return removed;
}

/** How long a folder that another machine or container is making may stand untouched before it counts as abandoned. */
const foreignMs = 24 * 60 * 60_000;

/** A new folder for work in progress; its name says whose it is. */
export async function makingFolder(root: string, what: string): Promise<string> {
  const owner = `${machineTag()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  const folder = join(root, "making", `${what}.${owner}`);
  await mkdir(folder, { recursive: true });
  return folder;
}

/** Removes what runs that were killed left in the making; a living process's folders stay. */
export async function sweepAbandoned(root: string): Promise<void> {
  const making = join(root, "making");
  for (const name of await readdir(making).catch(() => [] as string[])) {
    const path = join(making, name);
    const [tag, pid] = (name.split(".").at(-1) ?? "").split("-");
    const abandoned = tag === machineTag() ? !isAlive(Number(pid)) : (await ageOf(path)) > foreignMs;
    if (abandoned) await rm(path, { recursive: true, force: true });
  }
}

async function ageOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  );
}
