/**
 * A small client of QEMU's machine protocol (QMP; docs/interop/qmp-spec) over a Unix socket: greeting, capabilities,
 * commands with a time limit, events. It never hangs: every wait has a limit, and a closed socket ends all of them.
 */
import { connect, type Socket } from "node:net";

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Qmp {
  /** Gives the command's `return`. Rejects with QmpError on an error answer, the time limit, or a closed socket. */
  execute(command: string, args?: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<unknown>;
  /** A command of the human monitor; gives its text. */
  monitor(line: string, timeoutMs?: number): Promise<string>;
  /** False once the socket is closed. */
  readonly open: boolean;
  close(): void;
}

export class QmpError extends Error {
  override readonly name = "QmpError";
}

const defaultTimeoutMs = 5000;
/** QEMU's longest answers (query-qmp-schema) are below 1 MB; more than this is not QMP. */
const maximumMessage = 16 << 20;

/**
 * Connects, waits for the greeting and negotiates capabilities.
 * @param path the socket; it may appear a little later
 * @param options.stop gives up early when it returns true (QEMU ended)
 */
export async function connectQmp(
  path: string,
  options: {
    readonly timeoutMs?: number;
    readonly stop?: () => boolean;
    readonly onEvent?: (event: QmpEvent) => void;
  } = {},
): Promise<Qmp> {
  const socket = await dial(path, options.timeoutMs ?? 10_000, options.stop ?? (() => false));
  const client = new Client(socket, options.onEvent ?? (() => {}));
  try {
    await client.greeting(options.timeoutMs ?? 10_000);
    await client.execute("qmp_capabilities", undefined, options.timeoutMs ?? 10_000);
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

async function dial(path: string, timeoutMs: number, stop: () => boolean): Promise<Socket> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(path);
      attempt.once("connect", () => resolve(attempt));
      attempt.once("error", () => resolve(undefined));
    });
    if (socket) return socket;
    if (stop()) throw new QmpError("QEMU ended before it listened");
    if (performance.now() > end) throw new QmpError(`QEMU did not listen within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: QmpError) => void;
  readonly timer: NodeJS.Timeout;
}

class Client implements Qmp {
  open = true;
  readonly #socket: Socket;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #waiting = new Map<number | "greeting", Waiting>();
  #next = 1;
  #buffer = "";
  #greeted = false;

  constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", () => {});
    socket.on("close", () => this.#end("QEMU closed the control socket"));
  }

  greeting(timeoutMs: number): Promise<unknown> {
    return this.#greeted ? Promise.resolve() : this.#wait("greeting", timeoutMs, "the greeting");
  }

  execute(command: string, args?: Readonly<Record<string, unknown>>, timeoutMs = defaultTimeoutMs) {
    const id = this.#next++;
    const answer = this.#wait(id, timeoutMs, command);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return answer;
  }

  async monitor(line: string, timeoutMs = defaultTimeoutMs): Promise<string> {
    return String(await this.execute("human-monitor-command", { "command-line": line }, timeoutMs));
  }

  close(): void {
    this.#end("the control socket was closed");
    this.#socket.destroy();
  }

  #wait(id: number | "greeting", timeoutMs: number, what: string): Promise<unknown> {
    if (!this.open) return Promise.reject(new QmpError(`${what}: the control socket is closed`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new QmpError(`${what}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  #receive(text: string): void {
    this.#buffer += text;
    for (;;) {
      const end = this.#buffer.indexOf("\n");
      if (end < 0) break;
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 1);
      this.#message(line);
    }
    if (this.#buffer.length > maximumMessage) this.close();
  }

  #message(line: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(line) as Record<string, unknown>;
    } catch {
      return;
    }
    if (typeof message.event === "string") {
      this.#onEvent({ event: message.event, data: (message.data ?? {}) as Record<string, unknown> });
      return;
    }
    if ("QMP" in message) {
      this.#greeted = true;
      this.#settle("greeting")?.resolve(message.QMP);
      return;
    }
    const waiting = this.#settle(message.id as number);
    if (!waiting) return; // its limit had passed
    if ("error" in message) {
      const error = message.error as { desc?: string };
      waiting.reject(new QmpError(error.desc ?? "unknown error"));
    } else {
      waiting.resolve(message.return);
    }
  }

  #settle(id: number | "greeting"): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting) clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    return waiting;
  }

  #end(reason: string): void {
    this.open = false;
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(new QmpError(reason));
  }
}
