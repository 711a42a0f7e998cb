/** Drives the committed bundle as a person does: another process, its exit code and what it wrote. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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

/** The result that a run left. */
export async function resultIn(out: string): Promise<Result> {
  return JSON.parse(await readFile(join(out, "result.json"), "utf8"));
}

/** Which stages came from the store. */
export function hitsOf(result: Result): Record<string, boolean> {
  return Object.fromEntries(result.stages.map((stage) => [stage.name, stage.hit]));
}
