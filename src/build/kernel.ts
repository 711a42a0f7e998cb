/** The kernel: a source, patches and a configuration in; bzImage, vmlinux, System.map and the final configuration out. */
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { sha256OfFile } from "../host/files.ts";
import type { Architecture } from "../machine/architectures.ts";
import type { Source } from "../source/types.ts";
import { type Remembered, remember } from "../store/remember.ts";
import { type ConfigRequest, configIngredients, configure } from "./configure.ts";
import { make } from "./make.ts";
import { applyPatches } from "./patches.ts";
import { reproducible, type Toolchain } from "./toolchain.ts";

export interface KernelRequest {
  readonly arch: Architecture;
  readonly source: Source;
  readonly patches: readonly string[];
  readonly config: ConfigRequest;
  readonly toolchain: Toolchain;
  /** The profile's name, for the progress bar's memory. */
  readonly profile: string;
}

/** `version` is what the kernel calls itself (`uname -r`). Files: the image, vmlinux, System.map, kernel.config. */
export type KernelBuild = Remembered<{ readonly version: string }>;

/**
 * Builds a kernel, or takes it from the store.
 * @throws Failure `patch-failed`, `config-lost`, `compile-failed`
 */
export async function buildKernel(request: KernelRequest, context: Context): Promise<KernelBuild> {
  const { arch, source, toolchain } = request;
  const ingredients = {
    arch: arch.name,
    source: source.sha256,
    patches: await Promise.all(request.patches.map(sha256OfFile)),
    config: configIngredients(request.config),
    toolchain: [toolchain.tools, toolchain.identity],
    reproducible,
  };
  return remember(context, "kernel", ingredients, async (folder, log) => {
    const tree = join(context.folders.temporary, "kernel");
    await mkdir(tree, { recursive: true });
    await source.unpack(tree, log);
    await applyPatches(tree, request.patches, context, log);
    // A build folder right below the tree makes Kbuild use relative paths: the same bytes wherever the tree lies.
    const build = join(tree, "bootgate-build");
    await mkdir(build);
    const args = [`O=${build}`, `ARCH=${arch.kernelArch}`, "LOCALVERSION="];
    const logFile = join(context.folders.out, "logs", "kernel-build.log");
    const dialect = {
      what: "kernel",
      args,
      configFolder: build,
      complete: "olddefconfig",
      kconfig: {
        folders: [tree],
        file: "Kconfig",
        variables: { SRCARCH: arch.image.path.split("/")[1] ?? "" },
      },
    };
    const config = await configure(tree, request.config, dialect, toolchain, logFile, context, log);
    const cpuMs = await make(
      {
        what: "kernel",
        tree,
        args: [...args, arch.image.name],
        toolchain,
        countAs: `kernel-${request.profile}`,
        logFile,
      },
      context,
      log,
    );
    const release = await context.run.tool(
      "make",
      ["-s", ...toolchain.makeArguments, ...args, "kernelrelease"],
      {
        cwd: tree,
        env: toolchain.environment,
      },
    );
    await copyFile(join(build, arch.image.path), join(folder, arch.image.name));
    await copyFile(join(build, "vmlinux"), join(folder, "vmlinux"));
    await copyFile(join(build, "System.map"), join(folder, "System.map"));
    await writeFile(join(folder, "kernel.config"), config);
    await rm(tree, { recursive: true, force: true });
    return { value: { version: release.stdout.trim().split("\n").at(-1) ?? "" }, cpuMs };
  });
}
