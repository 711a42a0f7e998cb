/** What the kernel's and BusyBox's builds have in common: what is asked of them, their key, and a tree of their own. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Context, StageLog } from "../context.ts";
import { sha256OfFile } from "../host/files.ts";
import type { Architecture } from "../machine/architectures.ts";
import type { Source } from "../source/types.ts";
import { type ConfigRequest, configIngredients } from "./configure.ts";
import { applyPatches } from "./patches.ts";
import { reproducible, type Toolchain, unprobed } from "./toolchain.ts";

export interface BuildRequest {
  readonly arch: Architecture;
  readonly source: Source;
  /** Files, in the order in which they apply. */
  readonly patches: readonly string[];
  readonly config: ConfigRequest;
  readonly toolchain: Toolchain;
  /** The profile's name, for the progress bar's memory. */
  readonly profile: string;
}

/** All that shapes what a build makes. */
export async function ingredientsOf(request: BuildRequest): Promise<Readonly<Record<string, unknown>>> {
  return {
    arch: request.arch.name,
    source: request.source.sha256,
    patches: await Promise.all(request.patches.map(sha256OfFile)),
    config: configIngredients(request.config),
    toolchain: [request.toolchain.tools, request.toolchain.identity],
    reproducible,
    unprobed,
  };
}

/**
 * A pristine tree, patched, and a build folder right below it: with `O=` there, Kbuild uses relative paths, and gives
 * the same bytes wherever the tree lies.
 */
export async function prepareTree(
  name: string,
  request: BuildRequest,
  context: Context,
  log: StageLog,
): Promise<{ readonly tree: string; readonly build: string }> {
  const tree = join(context.folders.temporary, name);
  await mkdir(tree, { recursive: true });
  await request.source.unpack(tree, log);
  await applyPatches(tree, request.patches, context, log);
  const build = join(tree, "bootgate-build");
  await mkdir(build);
  return { tree, build };
}
