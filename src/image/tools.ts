/**
 * The tools of this computer that shape an image beside its inputs: for the store's keys and for result.json.
 */
import type { Context } from "../context.ts";
import { sha256OfFile } from "../host/files.ts";
import { Failure } from "../outcome.ts";

export interface ToolIdentity {
  readonly name: string;
  /** As the tool says it; "unknown" when it does not. */
  readonly version: string;
  /** Of the program's file: it tells builds of one version apart, and Syslinux carries its loader within. */
  readonly sha256: string;
}

/** Programs that are not asked by `--version`: mkfs.fat has no such option, and fatlabel comes from the same source. */
const versionCommands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "mkfs.fat": ["fatlabel", "--version"],
};

/** What each program is, in the order asked for. Throws Failure `missing-program`. */
export async function toolVersions(
  programs: readonly string[],
  context: Context,
): Promise<readonly ToolIdentity[]> {
  return Promise.all(programs.map((program) => identityOf(program, context)));
}

async function identityOf(program: string, context: Context): Promise<ToolIdentity> {
  const path = context.run.find(program);
  if (path === undefined) throw new Failure("missing-program", `the program ${program} is not installed`);
  return { name: program, version: await versionOf(program, context), sha256: await sha256OfFile(path) };
}

async function versionOf(program: string, context: Context): Promise<string> {
  const [command, ...args] = versionCommands[program] ?? [program, "--version"];
  if (context.run.find(command) === undefined) return "unknown";
  const { stdout, stderr } = await context.run.tool(command, args, { accept: [0, 1, 64] });
  return parseVersion(stdout + stderr) ?? "unknown";
}

/** The first thing in a tool's words that looks like a version: "1.12", "v1.5.4", "6.04". */
export function parseVersion(said: string): string | undefined {
  return /(?<![\w.])v?(\d+\.\d[\w.~+-]*)/.exec(said)?.[1]?.replace(/[.,]+$/, "");
}
