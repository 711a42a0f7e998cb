/**
 * A QEMU that runs: started in its own process group under the run's abort signal, its console and QMP at hand, and
 * ended for certain. Boots, shells and tests of a user's own are all made of this.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import type { Exit, LongProgram } from "../host/process.ts";
import { architectureOf } from "../machine/architectures.ts";
import { type Machine, qemuArguments } from "../machine/qemu.ts";
import { connectQmp, type Qmp } from "../machine/qmp.ts";
import { RawLog } from "./console.ts";

/** sun_path holds 108 bytes (unix(7)). */
const longestSocket = 100;
const maximumStderr = 64 << 10;

export interface SessionOptions {
  readonly machine: Machine;
  /** The raw console is kept here. */
  readonly console: string;
  /** Sees each chunk of the console, in the event loop: be quick. */
  readonly onConsole: (chunk: Buffer) => void;
  /** Something happened: console, QMP event, exit. */
  readonly onWake: () => void;
}

export class Session {
  readonly log: RawLog;
  readonly pid: number | undefined;
  /** Undefined when QEMU ended before it listened. */
  qmp: Qmp | undefined;
  exit: Exit | undefined;
  /** Why the guest stopped the machine (qapi/run-state.json, ShutdownCause). */
  shutdown: string | undefined;
  /** Why QMP could not be reached. */
  problem: string | undefined;
  readonly #program: LongProgram;
  readonly #folder: string;
  #stderr = "";

  private constructor(program: LongProgram, folder: string, options: SessionOptions) {
    this.#program = program;
    this.#folder = folder;
    this.pid = program.child.pid;
    this.log = new RawLog(options.console);
    this.log.attach(program.child.stdout, (chunk) => {
      options.onConsole(chunk);
      options.onWake();
    });
    program.child.stderr.on("data", (data: Buffer) => {
      this.#stderr = (this.#stderr + data.toString("utf8")).slice(-maximumStderr);
    });
    program.finished.then(
      (exit) => {
        this.exit = exit;
        options.onWake();
      },
      (error: Error) => {
        this.exit = { code: null, signal: null, cpuMs: 0 };
        this.#stderr += error.message;
        options.onWake();
      },
    );
  }

  /**
   * Starts QEMU, connects and lets the machine run. When QEMU can't start, `exit` or `problem` says so.
   * @throws Failure `missing-program`; `cancelled` by the context's signal
   */
  static async start(context: Context, options: SessionOptions): Promise<Session> {
    const folder = await socketFolder(context.folders.temporary);
    let session: Session | undefined;
    try {
      const socket = join(folder, "qmp");
      const program = context.run.start(
        architectureOf(options.machine.arch).qemu,
        qemuArguments(options.machine, { kind: "qmp", socket }),
      );
      session = new Session(program, folder, options);
      await session.#connect(socket, options.onWake);
      return session;
    } catch (error) {
      await session?.stop();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #connect(socket: string, onWake: () => void): Promise<void> {
    try {
      this.qmp = await connectQmp(socket, {
        stop: () => this.exit !== undefined,
        onEvent: (event) => {
          if (event.event === "SHUTDOWN") this.shutdown ??= String(event.data.reason);
          onWake();
        },
      });
      await this.qmp.execute("cont");
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  /** QEMU's own messages. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Types into the guest's console. */
  send(text: string): void {
    if (this.exit === undefined) this.#program.child.stdin.write(text);
  }

  /** Writes the screen as PNG; false when QEMU would not. */
  async screenshot(path: string): Promise<boolean> {
    try {
      await this.qmp?.execute("screendump", { filename: path, format: "png" });
      return this.qmp !== undefined;
    } catch {
      return false;
    }
  }

  /** Ends QEMU: asked first, then its group killed. The raw log is whole afterwards. Safe to call twice. */
  async stop(): Promise<void> {
    await this.qmp?.execute("quit", undefined, 500).catch(() => {});
    this.qmp?.close();
    await Promise.race([this.#program.finished.catch(() => {}), delay(500)]);
    await this.#program.stop(500);
    await Promise.race([this.#program.finished.catch(() => {}), delay(1000)]);
    await this.log.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** A folder of our own whose name is short enough for a socket in it. */
async function socketFolder(temporary: string): Promise<string> {
  const base = [temporary, tmpdir(), "/tmp"].find((folder) => folder.length + 24 < longestSocket) ?? "/tmp";
  return mkdtemp(join(base, "bootgate-"));
}
