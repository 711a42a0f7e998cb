/**
 * From what was asked of a configuration to a final `.config` that honours it: a base (a make target or a file), the
 * requested symbols laid over it, Kconfig's own completion, and the reading back.
 */
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { sha256Of } from "../host/files.ts";
import { nearest } from "../nearest.ts";
import { Failure } from "../outcome.ts";
import {
  isInline,
  lastRequests,
  lostRequests,
  overlayConfig,
  parseConfig,
  parseFragment,
  type Requested,
} from "./kconfig.ts";
import { explainLoss, type KconfigRoot, readKconfig } from "./kconfig-why.ts";
import { make } from "./make.ts";
import type { ProfileHalf } from "./profiles.ts";
import type { Toolchain } from "./toolchain.ts";

/** Where a configuration starts: a target of the tree's own Makefile, or a whole `.config`. */
export type ConfigBase =
  | { readonly target: string }
  | { readonly file: string; readonly text: string; readonly sha256: string };

export interface ConfigRequest {
  readonly base: ConfigBase;
  readonly requests: readonly Requested[];
}

/**
 * What a spec asks of one configuration.
 * @param chosen `kernel-config` or `busybox-config`: a profile's name, a file, or the name of an in-tree defconfig
 * @param fragments files, or inline CONFIG_ lines
 * @throws Failure `bad-request`
 */
export async function readConfigRequest(
  half: (profile: string) => ProfileHalf | undefined,
  profile: string,
  chosen: string | undefined,
  fragments: readonly string[],
): Promise<ConfigRequest> {
  const start = await readBase(half, profile, chosen);
  const added = await Promise.all(
    fragments.map(async (fragment) =>
      isInline(fragment)
        ? parseFragment(fragment, "inline fragment")
        : parseFragment(await readText(fragment, "fragment"), fragment),
    ),
  );
  return { base: start.base, requests: lastRequests([...start.requests, ...added.flat()]) };
}

async function readBase(
  half: (profile: string) => ProfileHalf | undefined,
  profile: string,
  chosen: string | undefined,
): Promise<ConfigRequest> {
  const name = chosen ?? profile;
  const own = half(name);
  if (own) {
    const requests = own.symbols.map(([symbol, value]) => ({ symbol, value, by: `profile ${name}` }));
    return { base: { target: own.base }, requests };
  }
  if (!name.includes("/") && /^[A-Za-z0-9_.-]*(def)?config$/.test(name) && !name.startsWith(".")) {
    return { base: { target: name }, requests: [] };
  }
  const text = await readText(name, "configuration");
  return { base: { file: name, text, sha256: sha256Of(text) }, requests: [] };
}

async function readText(file: string, what: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new Failure("bad-request", `the ${what} ${file} can't be read: ${cause.code ?? cause.message}`, {
      cause,
    });
  });
}

/** The part of a stage's key that a configuration makes. */
export function configIngredients({ base, requests }: ConfigRequest): unknown {
  return [
    "target" in base ? base.target : base.sha256,
    requests.map(({ symbol, value }) => `${symbol}=${value}`).sort(),
  ];
}

/** How a tree's Kconfig is run; the kernel's and BusyBox's differ. */
export interface ConfigureDialect {
  readonly what: string;
  /** Arguments of every make in this tree (ARCH=, O=). */
  readonly args: readonly string[];
  /** The folder of `.config`. */
  readonly configFolder: string;
  /** The target that completes a configuration with defaults, asking nothing. */
  readonly complete: string;
  /** The configurations that the tree's Makefile makes, for telling an unknown one. */
  readonly targets: () => Promise<readonly string[]>;
  /** For saying why a symbol was lost. */
  readonly kconfig: KconfigRoot;
}

/** @throws Failure `bad-request` for a defconfig that this tree has not got */
async function baseTarget(
  target: string,
  run: (target: string) => Promise<number>,
  dialect: ConfigureDialect,
): Promise<void> {
  try {
    await run(target);
  } catch (error) {
    const unknown = error instanceof Failure && error.detail.some((line) => line.includes(`${target}`));
    const known = await dialect.targets();
    if (!unknown || known.includes(target)) throw error;
    const near = nearest(target, known);
    throw new Failure(
      "bad-request",
      `this ${dialect.what} tree has no configuration ${target}${near ? `; did you mean ${near}?` : ""}`,
      { detail: [`It has: ${known.join(", ")}`], cause: error },
    );
  }
}

/**
 * Configures a tree.
 * @returns the final configuration's text
 * @throws Failure `config-lost` naming each lost symbol with the dependency that it misses
 */
export async function configure(
  tree: string,
  request: ConfigRequest,
  dialect: ConfigureDialect,
  toolchain: Toolchain,
  logFile: string,
  context: Context,
  log: StageLog,
): Promise<string> {
  const path = join(dialect.configFolder, ".config");
  const run = (target: string) =>
    make({ what: dialect.what, tree, args: [...dialect.args, target], toolchain, logFile }, context, log);
  log.progress({ note: "configuring" });
  let base: string;
  if ("target" in request.base) {
    await baseTarget(request.base.target, run, dialect);
    base = await readFile(path, "utf8");
  } else base = request.base.text;
  await writeFile(path, overlayConfig(base, request.requests));
  await run(dialect.complete);
  const text = await readFile(path, "utf8");
  const final = parseConfig(text);
  const lost = lostRequests(request.requests, final);
  if (lost.length > 0) {
    const kconfig = await readKconfig(dialect.kconfig);
    const reasons = lost.map(
      ({ symbol, value, by }) =>
        `CONFIG_${symbol}=${value} (${basename(by)}): ${explainLoss(kconfig, symbol, value, final)}`,
    );
    const [first = "", ...rest] = reasons;
    throw new Failure("config-lost", `${dialect.what} configuration lost ${first}`, { detail: rest });
  }
  return text;
}
