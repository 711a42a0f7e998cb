/**
 * Kconfig's `.config` files: reading them, laying requested symbols over them, and reading back what became of the
 * request. Kconfig drops a symbol whose dependencies are missing without a word (FACTS.md), so nothing is believed
 * that was not read back.
 */
import { Failure } from "../outcome.ts";

/** A symbol without its CONFIG_ prefix, and its value as `.config` spells it: y, m, n, a number, or a quoted string. */
export interface Requested {
  readonly symbol: string;
  readonly value: string;
  /** Who asked, for messages: "profile minimal", a file's name and line. */
  readonly by: string;
}

export type Config = ReadonlyMap<string, string>;

const setLine = /^CONFIG_([A-Za-z0-9_]+)=(.*)$/;
const unsetLine = /^# CONFIG_([A-Za-z0-9_]+) is not set$/;

/** Reads a `.config` or a fragment. In a `.config`, BusyBox's Kconfig takes the FIRST definition; so does this. */
export function parseConfig(text: string): Map<string, string> {
  const config = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [symbol, value] = parseLine(line) ?? [];
    if (symbol !== undefined && value !== undefined && !config.has(symbol)) config.set(symbol, value);
  }
  return config;
}

function parseLine(line: string): readonly [string, string] | undefined {
  const set = setLine.exec(line.trim());
  if (set) return [set[1] ?? "", set[2] ?? ""];
  const unset = unsetLine.exec(line.trim());
  return unset ? [unset[1] ?? "", "n"] : undefined;
}

/**
 * Reads a fragment that a user wrote: `CONFIG_X=y`, `# CONFIG_X is not set`, comments and blank lines, nothing else.
 * @throws Failure `bad-request` naming the line
 */
export function parseFragment(text: string, by: string): Requested[] {
  return text.split("\n").flatMap((line, index) => {
    const parsed = parseLine(line);
    if (parsed) return [{ symbol: parsed[0], value: parsed[1], by: `${by}:${index + 1}` }];
    const plain = line.trim();
    if (plain === "" || plain.startsWith("#")) return [];
    throw new Failure("bad-request", `${by}:${index + 1}: ${JSON.stringify(plain)} is not a Kconfig line`, {
      detail: ["A fragment holds lines such as CONFIG_FOO=y and `# CONFIG_BAR is not set`."],
    });
  });
}

/** True for `CONFIG_…` lines, as opposed to a file's name. */
export function isInline(fragment: string): boolean {
  return /^\s*(#|CONFIG_)/.test(fragment);
}

/** What counts when a symbol is requested twice: the last one, as in merge_config.sh. */
export function lastRequests(requests: readonly Requested[]): Requested[] {
  return [...new Map(requests.map((request) => [request.symbol, request])).values()];
}

/** Lays requests over a `.config`: each symbol's old lines go, its new one comes, so that no first definition wins. */
export function overlayConfig(base: string, requests: readonly Requested[]): string {
  const last = lastRequests(requests);
  const replaced = new Set(last.map((request) => request.symbol));
  const kept = base.split("\n").filter((line) => {
    const symbol = parseLine(line)?.[0];
    return symbol === undefined || !replaced.has(symbol);
  });
  return [...kept, ...last.map(renderRequest), ""].join("\n");
}

/** A request as a line of `.config`. */
export function renderRequest({ symbol, value }: Pick<Requested, "symbol" | "value">): string {
  return value === "n" ? `# CONFIG_${symbol} is not set` : `CONFIG_${symbol}=${value}`;
}

/** The requests that the final `.config` does not honour. An absent symbol is one that is not set. */
export function lostRequests(requests: readonly Requested[], final: Config): Requested[] {
  return lastRequests(requests).filter(({ symbol, value }) => (final.get(symbol) ?? "n") !== value);
}
