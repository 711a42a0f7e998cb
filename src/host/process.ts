/**
 * Programs on this computer. Short tools run through @actions/exec and give their output; long programs (make, QEMU)
 * run in their own process group under the abort signal, so that ending one ends all it started.
 * Never a shell: a program and an array of arguments. The environment is an allow-list that the door made.
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { exec } from "@actions/exec";
import { Failure } from "../outcome.ts";

export interface ToolOptions {
  readonly cwd?: string;
  /** Added to the runner's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Buffer;
  /** Exit codes that are no failure; default 0 alone. */
  readonly accept?: readonly number[];
  /** The most output kept, in bytes of each stream; the rest is dropped. Default 64 MiB. */
  readonly maximum?: number;
}

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface LongOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Exit {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** CPU time of the program and all it waited for, milliseconds. */
  readonly cpuMs: number;
}

export interface LongProgram {
  readonly child: ChildProcessWithoutNullStreams;
  /** Settles when the program has ended and its pipes are closed. Rejects only when it could not be started. */
  readonly finished: Promise<Exit>;
  /** Ends the whole group: SIGTERM, and SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
}

export interface Runner {
  /** The same runner under another signal: work that is given up together when one part of it fails. */
  under(signal: AbortSignal): Runner;
  /** The absolute path of a program, or undefined. */
  find(program: string): string | undefined;
  /**
   * Runs a short tool to its end and gives its output.
   * @throws Failure `missing-program` when it is not there, `host-failed` when it exits with an unaccepted code
   */
  tool(program: string, args: readonly string[], options?: ToolOptions): Promise<ToolResult>;
  /** Starts a long program. It dies with this process (setpriv --pdeathsig, where there is one) and with the signal. */
  start(program: string, args: readonly string[], options?: LongOptions): LongProgram;
  /** Runs a long program to its end, giving each line of stdout and stderr to `onLine`. */
  lines(
    program: string,
    args: readonly string[],
    options: LongOptions & { readonly onLine: (line: string, stream: "stdout" | "stderr") => void },
  ): Promise<Exit>;
}

/** The names that may pass from the caller's environment to programs; no tokens, no ACTIONS_*, no INPUT_*. */
export const passedEnvironment = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "TMPDIR",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
] as const;

/** The environment of every program: the allow-list, and a fixed locale and time zone so that output is the same everywhere. */
export function toolEnvironment(from: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of passedEnvironment) {
    const value = from[name];
    if (value !== undefined) environment[name] = value;
  }
  // Debian keeps mkfs.fat and losetup in /usr/sbin, which a plain user's PATH lacks.
  const path = (environment.PATH ?? "").split(delimiter).filter(Boolean);
  for (const folder of ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]) {
    if (!path.includes(folder)) path.push(folder);
  }
  return { ...environment, PATH: path.join(delimiter), LC_ALL: "C", TZ: "UTC" };
}

/** A runner whose programs see `environment` and end with `signal`. */
export function createRunner(environment: Readonly<Record<string, string>>, signal: AbortSignal): Runner {
  const find = (program: string) => findIn(environment.PATH ?? "", program);
  const locate = (program: string): string => {
    const path = find(program);
    if (path === undefined) {
      throw new Failure("missing-program", `the program ${program} is not installed`, {
        detail: ["`bootgate doctor` names the command that installs what is missing."],
      });
    }
    return path;
  };

  const tool: Runner["tool"] = async (program, args, options = {}) => {
    signal.throwIfAborted();
    const path = locate(program);
    const maximum = options.maximum ?? 64 << 20;
    const collected = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const sizes = { stdout: 0, stderr: 0 };
    const collect = (stream: "stdout" | "stderr") => (data: Buffer) => {
      if (sizes[stream] >= maximum) return;
      sizes[stream] += data.length;
      collected[stream].push(data);
    };
    const code = await exec(`"${path}"`, [...args], {
      silent: true,
      ignoreReturnCode: true,
      env: { ...environment, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.input === undefined ? {} : { input: options.input }),
      listeners: { stdout: collect("stdout"), stderr: collect("stderr") },
    });
    const stdout = Buffer.concat(collected.stdout).toString("utf8");
    const stderr = Buffer.concat(collected.stderr).toString("utf8");
    if (!(options.accept ?? [0]).includes(code)) {
      signal.throwIfAborted();
      const full = /No space left on device|disk full/i.test(stderr);
      throw new Failure(
        full ? "disk-full" : "host-failed",
        `${program} ended with exit code ${code}: ${lastLine(stderr) || lastLine(stdout) || "it said nothing"}`,
        { detail: [`command: ${[program, ...args].join(" ")}`, ...stderr.split("\n").slice(-20)] },
      );
    }
    return { code, stdout, stderr };
  };

  const start: Runner["start"] = (program, args, options = {}) => {
    signal.throwIfAborted();
    const path = locate(program);
    const guard = find("setpriv");
    // A child of Node survives when Node is killed with SIGKILL; the kernel's parent-death signal does not.
    const [command, argv] = guard ? [guard, ["--pdeathsig", "KILL", "--", path, ...args]] : [path, [...args]];
    const child = spawn(command, argv, {
      cwd: options.cwd,
      env: { ...environment, ...options.env },
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin.on("error", () => {}); // a program that ends before reading is judged by its exit, not by EPIPE
    const finished = new Promise<Exit>((resolve, reject) => {
      child.once("error", reject);
      let cpuMs = 0;
      child.once("exit", () => {
        cpuMs = childCpuSinceLast();
      });
      child.once("close", (code, killedBy) => resolve({ code, signal: killedBy, cpuMs }));
    });
    finished.catch(() => {});
    const stop = (graceMs = 2000) => stopGroup(child, graceMs);
    const onAbort = () => void stop(1000);
    signal.addEventListener("abort", onAbort, { once: true });
    finished.finally(() => signal.removeEventListener("abort", onAbort)).catch(() => {});
    return { child, finished, stop };
  };

  const lines: Runner["lines"] = async (program, args, options) => {
    const running = start(program, args, options);
    running.child.stdin.end();
    for (const stream of ["stdout", "stderr"] as const) {
      createInterface({ input: running.child[stream], crlfDelay: Number.POSITIVE_INFINITY }).on(
        "line",
        (line) => options.onLine(line, stream),
      );
    }
    const exit = await running.finished;
    signal.throwIfAborted();
    return exit;
  };

  const under: Runner["under"] = (other) => createRunner(environment, other);

  return { under, find, tool, start, lines };
}

function findIn(path: string, program: string): string | undefined {
  const candidates = program.includes("/")
    ? [program]
    : path
        .split(delimiter)
        .filter(Boolean)
        .map((folder) => join(folder, program));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Signals a child's whole process group; a group that is gone already is no error. */
function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // ESRCH: gone.
  }
}

async function stopGroup(child: ChildProcess, graceMs: number): Promise<void> {
  const running = () => child.exitCode === null && child.signalCode === null && child.pid !== undefined;
  if (running()) {
    const exited = once(child, "exit");
    signalGroup(child, "SIGTERM");
    const timer = setTimeout(() => signalGroup(child, "SIGKILL"), graceMs);
    await exited.catch(() => {});
    clearTimeout(timer);
  }
  // Grandchildren that outlived their parent are still in the group.
  signalGroup(child, "SIGKILL");
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)?.trim() ?? "";
}

let accountedTicks = 0;

/**
 * CPU milliseconds of children that ended since the last call: Node has no wait4, but the kernel adds a reaped child's
 * time (and that of all it waited for) to fields 16 and 17 of /proc/self/stat, in ticks of 10 ms (proc(5)).
 */
function childCpuSinceLast(): number {
  const ticks = reapedChildTicks();
  const since = ticks - accountedTicks;
  accountedTicks = ticks;
  return since * 10;
}

function reapedChildTicks(): number {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[13]) + Number(fields[14]);
  } catch {
    return accountedTicks;
  }
}
