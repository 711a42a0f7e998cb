/** BusyBox: a source, patches and a configuration in; one static binary and the names of its applets out. */
import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../context.ts";
import type { Architecture } from "../machine/architectures.ts";
import { Failure } from "../outcome.ts";
import { type Remembered, remember } from "../store/remember.ts";
import { configure } from "./configure.ts";
import { readElf } from "./elf.ts";
import { make } from "./make.ts";
import { type BuildRequest, ingredientsOf, prepareTree } from "./tree.ts";

/** `links` are the absolute names under which applets are found, such as /bin/sh. Files: busybox, busybox.config. */
export type BusyboxBuild = Remembered<{ readonly version: string; readonly links: readonly string[] }>;

/**
 * Builds BusyBox, or takes it from the store.
 * @throws Failure `patch-failed`, `config-lost`, `compile-failed`, `busybox-unusable`
 */
export async function buildBusybox(request: BuildRequest, context: Context): Promise<BusyboxBuild> {
  const { arch, source, toolchain } = request;
  return remember(context, "busybox", await ingredientsOf(request), async (folder, log) => {
    const { tree, build } = await prepareTree("busybox", request, context, log);
    const args = [`O=${build}`, `ARCH=${arch.kernelArch}`];
    const logFile = join(context.folders.out, "logs", "busybox-build.log");
    const kconfig = { folders: [build, tree], file: "Config.in", variables: {} };
    const targets = async () => [
      "defconfig",
      "allnoconfig",
      ...(await readdir(join(tree, "configs")).catch(() => [])),
    ];
    const dialect = { what: "BusyBox", args, configFolder: build, complete: "oldconfig", targets, kconfig };
    const config = await configure(tree, request.config, dialect, toolchain, logFile, context, log);
    const countAs = `busybox-${request.profile}`;
    const cpuMs = await make(
      { what: "BusyBox", tree, args: [...args, "busybox", "busybox.links"], toolchain, countAs, logFile },
      context,
      log,
    );
    const binary = join(build, "busybox");
    await proveUsable(binary, arch);
    const links = (await readFile(join(build, "busybox.links"), "utf8")).split("\n").filter(Boolean);
    await copyFile(binary, join(folder, "busybox"));
    await writeFile(join(folder, "busybox.config"), config);
    await rm(tree, { recursive: true, force: true });
    return { value: { version: source.version, links }, cpuMs };
  });
}

/** An initramfs has no C library: a dynamic BusyBox would only show as "No working init found". */
async function proveUsable(binary: string, arch: Architecture): Promise<void> {
  const elf = await readElf(binary);
  const refuse = (why: string) => {
    throw new Failure("busybox-unusable", `BusyBox can't run in the guest: ${why}`, {
      detail: ["A static build for the guest's machine is needed: CONFIG_STATIC=y."],
    });
  };
  if (elf === undefined) return refuse("it is not an ELF file");
  if (elf.machine !== arch.elfMachine) {
    return refuse(`it is for ELF machine ${elf.machine}, and ${arch.name} is ${arch.elfMachine}`);
  }
  if (elf.interpreter !== undefined)
    return refuse(`it is dynamically linked and asks for ${elf.interpreter}`);
}
