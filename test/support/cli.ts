/** Drives the committed bundle as a person does: another process, its exit code and what it wrote. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../src/host/ownership.ts";
import type { Result } from "../../src/report/result.ts";

export const root = join(import.meta.dirname, "..", "..");
export const cli = join(root, "dist", "cli.js");
/** Kept between runs of the suite: what was built once is not built again. */
export const suiteCache = join(root, "test", ".cache");

export interface CliOptions {
  readonly cache?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The Node that runs the bundle; default the one that runs the test. */
  readonly node?: string;
  readonly onStart?: (child: ChildProcess) => void;
}

export interface CliEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs `bootgate` to its end. */
export async function bootgate(args: readonly string[], options: CliOptions = {}): Promise<CliEnd> {
  const started = performance.now();
  const child = spawn(options.node ?? process.execPath, [cli, ...args], {
    cwd: options.cwd ?? root,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      XDG_CACHE_HOME: options.cache ?? suiteCache,
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  options.onStart?.(child);
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on("data", (data: Buffer) => chunks.stdout.push(data));
  child.stderr.on("data", (data: Buffer) => chunks.stderr.push(data));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve({
        code,
        signal,
        stdout: Buffer.concat(chunks.stdout).toString("utf8"),
        stderr: Buffer.concat(chunks.stderr).toString("utf8"),
        ms: performance.now() - started,
      }),
    );
  });
}

/**
 * Sees to it that the default system is built in the suite's cache, once: test files run side by side, and each cold
 * build would take both cores for minutes.
 */
export async function defaultBuild(): Promise<void> {
  const lock = join(suiteCache, "default-build.lock");
  await mkdir(suiteCache, { recursive: true });
  while (!(await claim(lock))) await sleep(500);
  try {
    const out = await mkdtemp(join(suiteCache, "default-"));
    const end = await bootgate(["build", "--out", out]);
    await rm(out, { recursive: true, force: true });
    if (end.code !== 0) throw new Error(`the default build failed:\n${end.stderr}`);
  } finally {
    await rm(lock, { force: true });
  }
}

async function claim(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = Number(await readFile(lock, "utf8").catch(() => ""));
    if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true });
    return false;
  }
}

/** The result that a run left. */
export async function resultIn(out: string): Promise<Result> {
  return JSON.parse(await readFile(join(out, "result.json"), "utf8"));
}

/** Which stages came from the store. */
export function hitsOf(result: Result): Record<string, boolean> {
  return Object.fromEntries(result.stages.map((stage) => [stage.name, stage.hit]));
}
