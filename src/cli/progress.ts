/** What a person sees of running stages: state in, lines out. Pure, so that tests compare lines. */
import { styleText } from "node:util";

/** One stage that is running; times in milliseconds on one clock. */
export interface Running {
  readonly name: string;
  readonly startedAt: number;
  readonly done?: number;
  readonly total?: number;
  readonly note?: string;
}

type Style = Parameters<typeof styleText>[0];

/** Colours a text, or leaves it plain where the terminal or NO_COLOR says so. */
export type Paint = (style: Style, text: string) => string;

export const plain: Paint = (_, text) => text;
export const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false });

/** True when this stream may be coloured (https://no-color.org). */
export function mayColour(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if (environment.NO_COLOR) return false;
  return Boolean(environment.FORCE_COLOR) || (stream.isTTY === true && environment.TERM !== "dumb");
}

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const barWidth = 24;

/** "48 s", "3 min 05 s". */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}

/** The lines of all running stages, cut to the terminal's width. */
export function renderRunning(
  stages: readonly Running[],
  now: number,
  columns: number,
  paint: Paint,
): string[] {
  return stages.map((stage) => {
    const elapsed = now - stage.startedAt;
    const frame = spinner[Math.floor(now / 100) % spinner.length] ?? "";
    const head = `${frame} ${stage.name.padEnd(16)} ${duration(elapsed).padStart(11)}`;
    const tail = [bar(stage), timeLeft(stage, elapsed), stage.note ?? ""].filter(Boolean).join("  ");
    return `${paint("cyan", head)}  ${tail.slice(0, Math.max(0, columns - head.length - 3))}`;
  });
}

function fraction({ done, total }: Running): number | undefined {
  return done === undefined || !total ? undefined : Math.min(done / total, 0.99);
}

function bar(stage: Running): string {
  const part = fraction(stage);
  if (part === undefined) return "";
  const full = Math.round(part * barWidth);
  return `${"█".repeat(full)}${"░".repeat(barWidth - full)} ${String(Math.floor(part * 100)).padStart(2)} %`;
}

/** An estimate by the pace so far; nothing until there is a pace. */
function timeLeft(stage: Running, elapsed: number): string {
  const part = fraction(stage);
  if (part === undefined || part < 0.02 || elapsed < 2000) return "";
  return `${duration((elapsed * (1 - part)) / part)} left`;
}
