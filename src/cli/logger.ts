/**
 * The terminal's loggers, all on stderr: one with live progress for a person at a terminal, one that is quiet for a
 * pipe (a line when a stage ends, and one a minute while it runs, so that nothing seems dead).
 */
import { createLogUpdate } from "log-update";
import type { Logger, StageLog } from "../context.ts";
import { asFailure } from "../outcome.ts";
import { duration, type Paint, type Running, renderRunning } from "./progress.ts";

const heartbeatMs = 60_000;
const refreshMs = 100;

/** Where stages that run are shown; a terminal redraws them, a pipe does not. */
interface Display {
  /** A line that stays. */
  write(line: string): void;
  changed(): void;
  /** All stages have ended: leave the cursor below what was written. */
  rest(): void;
}

/** A logger for this stream: live where it is a terminal. */
export function terminalLogger(stream: NodeJS.WriteStream, now: () => number, paint: Paint): Logger {
  const running = new Map<symbol, Running>();
  const display = stream.isTTY
    ? liveDisplay(stream, running, now, paint)
    : { write: (line: string) => void stream.write(`${line}\n`), changed: () => {}, rest: () => {} };
  const say = (mark: string, message: string) => display.write(`${mark} ${message}`);

  const stage: Logger["stage"] = async (name, work, describe, passed) => {
    const id = Symbol(name);
    const startedAt = now();
    running.set(id, { name, startedAt });
    const heartbeat = setInterval(() => {
      if (stream.isTTY) return;
      const note = running.get(id)?.note;
      say("·", `${name}: still working after ${duration(now() - startedAt)}${note ? ` (${note})` : ""}`);
    }, heartbeatMs);
    const log: StageLog = {
      output: () => {},
      progress: (state) => {
        running.set(id, { name, startedAt, ...state });
        display.changed();
      },
    };
    display.changed();
    const end = (mark: string, text: string) => {
      clearInterval(heartbeat);
      running.delete(id);
      display.write(
        `${mark} ${name.padEnd(16)} ${duration(now() - startedAt).padStart(11)}  ${text}`.trimEnd(),
      );
      if (running.size === 0) display.rest();
    };
    try {
      const value = await work(log);
      const good = passed?.(value) ?? true;
      end(good ? paint("green", "✔") : paint("red", "✘"), describe?.(value) ?? "");
      return value;
    } catch (error) {
      end(paint("red", "✘"), asFailure(error, name).message);
      throw error;
    }
  };

  return {
    info: (message) => display.write(message),
    notice: (message) => say(paint("yellow", "!"), message),
    warning: (message) => say(paint("yellow", "!!"), message),
    stage,
  };
}

function liveDisplay(
  stream: NodeJS.WriteStream,
  running: ReadonlyMap<symbol, Running>,
  now: () => number,
  paint: Paint,
): Display {
  const update = createLogUpdate(stream);
  let timer: NodeJS.Timeout | undefined;
  const draw = () =>
    update(renderRunning([...running.values()], now(), stream.columns ?? 80, paint).join("\n"));
  return {
    write: (line) => {
      update.clear();
      stream.write(`${line}\n`);
      if (running.size > 0) draw();
    },
    changed: () => {
      timer ??= setInterval(draw, refreshMs);
    },
    rest: () => {
      clearInterval(timer);
      timer = undefined;
      update.clear();
      update.done();
    },
  };
}
