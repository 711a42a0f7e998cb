/** The files and folders that a spec names: found before anything starts, made absolute, globs laid out in order. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { glob } from "tinyglobby";
import { isInline } from "../build/kconfig.ts";
import type { Spec } from "./inputs.ts";
import { refuse } from "./spec.ts";

type Wanted = "file" | "folder or archive";

/** Single paths of a spec, and what each must be. */
const singles = [
  ["init", "init"],
  ["kernelImage", "kernel-image"],
  ["initramfs", "initramfs"],
  ["disk", "disk"],
] as const;

/** Lists of patches: files or globs. */
const patchLists = [
  ["kernelPatches", "kernel-patches"],
  ["busyboxPatches", "busybox-patches"],
] as const;

/**
 * Gives the spec with absolute paths.
 * @param cwd where relative paths start
 * @throws Failure `bad-request` naming everything that is missing, at once
 */
export async function locateFiles(spec: Spec, cwd: string): Promise<Spec> {
  const problems: string[] = [];
  const check = async (input: string, path: string, wanted: Wanted): Promise<string> => {
    const full = resolve(cwd, path);
    const found = await stat(full).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error)
      problems.push(`${input}: ${path} can't be read: ${found.code ?? found.message}`);
    else if (wanted === "file" && !found.isFile() && !found.isBlockDevice()) {
      problems.push(
        `${input}: ${path} is ${found.isDirectory() ? "a folder" : "a device or the like"}, not a file`,
      );
    } else {
      await access(full, constants.R_OK).catch((error: NodeJS.ErrnoException) =>
        problems.push(`${input}: ${path} can't be read: ${error.code ?? error.message}`),
      );
    }
    return full;
  };
  const located: Record<string, unknown> = { ...spec };
  for (const [key, input] of singles) {
    const path = spec[key];
    if (path !== undefined) located[key] = await check(input, path, "file");
  }
  located.overlay = await Promise.all(
    spec.overlay.map((path) => check("overlay", path, "folder or archive")),
  );
  for (const [key, input] of patchLists) {
    const files: string[] = [];
    for (const pattern of spec[key]) {
      const matches = /[*?[{]/.test(pattern) ? await globbed(pattern, cwd) : [pattern];
      if (matches.length === 0) problems.push(`${input}: no file matches ${pattern}`);
      for (const match of matches) files.push(await check(input, match, "file"));
    }
    located[key] = files;
  }
  for (const [key, input] of [
    ["kernelFragments", "kernel-fragments"],
    ["busyboxFragments", "busybox-fragments"],
  ] as const) {
    located[key] = await Promise.all(
      spec[key].map((fragment) => (isInline(fragment) ? fragment : check(input, fragment, "file"))),
    );
  }
  for (const [key, input] of [
    ["kernelConfig", "kernel-config"],
    ["busyboxConfig", "busybox-config"],
  ] as const) {
    const config = spec[key];
    if (config?.includes("/") || config?.startsWith(".")) located[key] = await check(input, config, "file");
  }
  for (const input of ["kernel", "busybox"] as const) {
    const [path = "", ...hash] = spec[input].split("#");
    if (!/^[./]/.test(path)) continue;
    located[input] = [await check(input, path, "folder or archive"), ...hash].join("#");
  }
  if (problems.length > 0) refuse(problems);
  return located as Spec;
}

async function globbed(pattern: string, cwd: string): Promise<string[]> {
  return (await glob(pattern, { cwd, absolute: isAbsolute(pattern) })).sort();
}
