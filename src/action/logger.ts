/** The workflow's logger: a stage's output is one folded group, printed whole when the stage ends; a heartbeat meanwhile. */
import * as core from "@actions/core";
import type { Logger } from "../context.ts";

const heartbeatMs = 60_000;
const keptLines = 5000;

/** `::` at the start of a line would be a command to the runner; nothing that a guest or a tool prints may be one. */
export function neutralised(line: string): string {
  return line.replace(/^(\s*)(::|##\[)/, "$1\u200b$2");
}

export function workflowLogger(): Logger {
  const stage: Logger["stage"] = async (name, work, describe) => {
    const lines: string[] = [];
    const started = performance.now();
    const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
    let note = "";
    const heartbeat = setInterval(
      () => core.info(`${name}: still working after ${seconds()} ${note}`),
      heartbeatMs,
    );
    const print = (outcome: string) => {
      clearInterval(heartbeat);
      core.startGroup(`${name}: ${neutralised(outcome)} (${seconds()})`);
      for (const line of lines) core.info(neutralised(line));
      core.endGroup();
    };
    try {
      const value = await work({
        output: (line) => {
          lines.push(line);
          if (lines.length > keptLines) lines.shift();
        },
        progress: (state) => {
          note = state.note ?? note;
        },
      });
      print(describe?.(value) || "done");
      return value;
    } catch (error) {
      print(error instanceof Error ? error.message : String(error));
      throw error;
    }
  };
  return {
    info: (message) => core.info(neutralised(message)),
    notice: (message) => core.notice(message),
    warning: (message) => core.warning(message),
    stage,
  };
}
