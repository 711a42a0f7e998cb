/** The version that a tree says of itself, in the four variables at the head of the Makefile that both projects use. */
import type { SourceName } from "./types.ts";

/**
 * The version in a top-level Makefile (64 KiB of it suffice): `6.12.117`, `7.1-rc3`, `1.37.0`; undefined when it is not
 * that project's.
 * The kernel leaves `.0` out of its archives' names (`linux-6.13`), and so does this.
 */
export function versionInMakefile(name: SourceName, makefile: string): string | undefined {
  if (!speaksOf[name].test(makefile)) return undefined;
  const head = makefile.slice(0, 4096);
  const read = (variable: string) =>
    new RegExp(`^${variable}[ \\t]*=[ \\t]*(.*?)[ \\t]*$`, "m").exec(head)?.[1];
  const [version, patch] = [read("VERSION"), read("PATCHLEVEL")];
  if (!/^\d+$/.test(version ?? "") || !/^\d+$/.test(patch ?? "")) return undefined;
  const sub = read("SUBLEVEL") ?? "0";
  const extra = read("EXTRAVERSION") ?? "";
  const short = name === "linux" && (sub === "0" || sub === "");
  return `${version}.${patch}${short ? "" : `.${sub}`}${/^[\w.+-]*$/.test(extra) ? extra : ""}`;
}

/** What only the one project's Makefile builds; the four variables are the same in both. */
const speaksOf: Readonly<Record<SourceName, RegExp>> = { linux: /\bvmlinux\b/, busybox: /\bbusybox\b/ };

/** Files that tell the two trees apart; a tree that lacks one is not of that kind. */
export const markers: Readonly<Record<SourceName, readonly string[]>> = {
  linux: ["Makefile", "Kbuild", "scripts", "init/main.c", "kernel/panic.c"],
  busybox: ["Makefile", "applets/applets.c", "libbb", "scripts"],
};
