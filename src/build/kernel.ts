/** The kernel: a source, patches and a configuration in; bzImage, vmlinux, System.map and the final configuration out. */
import { copyFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { type Remembered, remember } from "../store/remember.ts";
import { configure } from "./configure.ts";
import { make } from "./make.ts";
import { type BuildRequest, ingredientsOf, prepareTree } from "./tree.ts";

/** `version` is what the kernel calls itself (`uname -r`). Files: the image, vmlinux, System.map, kernel.config. */
export type KernelBuild = Remembered<{ readonly version: string }>;

/**
 * Builds a kernel, or takes it from the store.
 * @throws Failure `patch-failed`, `config-lost`, `compile-failed`
 */
export async function buildKernel(request: BuildRequest, context: Context): Promise<KernelBuild> {
  const { arch, toolchain } = request;
  return remember(context, "kernel", await ingredientsOf(request), async (folder, log) => {
    const { tree, build } = await prepareTree("kernel", request, context, log);
    const args = [`O=${build}`, `ARCH=${arch.kernelArch}`, "LOCALVERSION="];
    const sourceFolder = arch.image.path.split("/")[1] ?? "";
    const logFile = join(context.folders.out, "logs", "kernel-build.log");
    const dialect = {
      what: "kernel",
      args,
      configFolder: build,
      complete: "olddefconfig",
      targets: async () => {
        const folder = join(tree, "arch", sourceFolder, "configs");
        return ["tinyconfig", "defconfig", ...(await readdir(folder).catch(() => []))].filter((name) =>
          name.endsWith("config"),
        );
      },
      kconfig: {
        folders: [tree],
        file: "Kconfig",
        variables: { SRCARCH: sourceFolder },
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
