/**
 * The whole story: sources → kernel and BusyBox → initramfs → disk → boots → verdict → result. Stages take values and
 * give values; what each one knows stands in its room.
 */

import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { bootOnce } from "./boot/boot.ts";
import type { BootPlan } from "./boot/plan.ts";
import { attachShell, type Terminal } from "./boot/shell.ts";
import { buildBusybox } from "./build/busybox.ts";
import { parseConfig } from "./build/kconfig.ts";
import { buildKernel } from "./build/kernel.ts";
import { findToolchain } from "./build/toolchain.ts";
import type { BuildRequest } from "./build/tree.ts";
import type { Context } from "./context.ts";
import { ensurePackages, needsOf } from "./host/packages.ts";
import { inspectInitramfs } from "./image/inspect.ts";
import { buildDisk, buildInitramfs } from "./image/stages.ts";
import { chooseAccelerator } from "./machine/accelerator.ts";
import { architectureOf } from "./machine/architectures.ts";
import { describeMachine, type Images } from "./machine/describe.ts";
import { commandLine, givenImages, type Halves, pathsOf, readHalves } from "./plan.ts";
import type { Findings } from "./report/conclude.ts";
import type { Result } from "./report/result.ts";
import { obtainSource } from "./source/source.ts";
import type { Source, SourceName, SourcePolicy, SourceRequest } from "./source/types.ts";
import type { Spec } from "./spec/spec.ts";
import { fileNamed } from "./store/remember.ts";
import { inParallel, together } from "./together.ts";
import { type Outcome, record, told } from "./told.ts";

/** Builds everything, boots it every way that was asked for, and judges it. */
export async function run(spec: Spec, context: Context, policy: SourcePolicy): Promise<Result> {
  const halves = await readHalves(spec);
  return told(spec, context, ["source", "build", "image", "boot"], async (findings) => {
    const images = await buildImages(spec, halves, context, policy, findings);
    await bootAll(spec, images, context, findings);
  });
}

/** The first half: builds, and boots nothing. */
export async function build(spec: Spec, context: Context, policy: SourcePolicy): Promise<Result> {
  const halves = await readHalves(spec);
  return told(spec, context, ["source", "build", "image"], async (findings) => {
    await buildImages(spec, halves, context, policy, findings);
  });
}

/** The second half: boots what was given, whoever made it. */
export async function bootGiven(spec: Spec, context: Context): Promise<Result> {
  const images = givenImages(spec);
  pathsOf(spec, architectureOf(spec.arch), images);
  return told(spec, context, ["boot"], async (findings) => {
    await bootAll(spec, images, context, findings);
  });
}

/** The same machine with a person's terminal on its console. */
export async function shell(spec: Spec, terminal: Terminal, context: Context): Promise<void> {
  await ensurePackages(needsOf(["boot"]), spec.installPackages, context);
  const images = givenImages(spec);
  const arch = architectureOf(spec.arch);
  const path = pathsOf(spec, arch, images)[0]!;
  const { accel } = await chooseAccelerator(spec.accel, arch, context);
  await attachShell(await describeMachine(spec, arch, path, accel, images), terminal, context);
}

/**
 * Everything up to the disk. The kernel is built beside BusyBox. What is finished is in the out folder at once, and is
 * taken from there: the command lines in the result start the very files that lie beside it.
 */
async function buildImages(
  spec: Spec,
  halves: Halves,
  context: Context,
  policy: SourcePolicy,
  findings: Findings,
): Promise<Images> {
  const arch = architectureOf(spec.arch);
  const toolchain = await findToolchain("", spec.ccache, context);
  findings.tools.push(...toolchain.tools);
  const half = async <Build extends Outcome>(
    name: SourceName,
    buildIt: (request: BuildRequest, context: Context) => Promise<Build>,
    shared: Context,
  ): Promise<Build> => {
    const { request, config, patches } = halves[name];
    const source = await obtain(request, policy, shared, findings);
    const built = await buildIt({ arch, source, patches, config, toolchain, profile: spec.profile }, shared);
    return { ...built, files: await record(findings, shared, built) };
  };
  const [kernel, busybox] = await together(context, [
    (shared) => half("linux", buildKernel, shared),
    (shared) => half("busybox", buildBusybox, shared),
  ]);

  const config = await readFile(fileNamed(kernel.files, "kernel.config").path, "utf8");
  const initramfs = await buildInitramfs(
    {
      busybox: { binary: fileNamed(busybox.files, "busybox").path, links: busybox.value.links },
      init: spec.init,
      overlays: spec.overlay,
      compression: spec.compression,
      kernelConfig: parseConfig(config),
    },
    context,
  );
  const [packed] = await record(findings, context, initramfs);

  const kernelImage = fileNamed(kernel.files, arch.image.name).path;
  const append = commandLine(spec, arch);
  const disk = await buildDisk(
    {
      kernelImage,
      initramfs: packed!.path,
      append,
      imageSize: spec.imageSize,
      loaders: {
        syslinux: "bios" in arch.paths,
        efi: { bootFile: arch.efiBootFile, systemdBoot: arch.systemdBoot },
      },
    },
    context,
  );
  const [image] = await record(findings, context, disk);
  return {
    kernel: kernelImage,
    vmlinux: fileNamed(kernel.files, "vmlinux").path,
    initramfs: packed!.path,
    disk: image!.path,
    append,
  };
}

async function obtain(
  request: SourceRequest,
  policy: SourcePolicy,
  context: Context,
  findings: Findings,
): Promise<Source> {
  const source = await context.logger.stage(
    `${request.name} source`,
    (log) => obtainSource(request, policy, context, log),
    ({ version, verifiedBy }) => `${version}, verified by ${verifiedBy.split(",")[0]}`,
  );
  findings.sources.push(source);
  return source;
}

/** Boots every path. They run side by side: each is judged by its own guest's progress, not by the wall clock alone. */
async function bootAll(spec: Spec, images: Images, context: Context, findings: Findings): Promise<void> {
  const arch = architectureOf(spec.arch);
  const paths = pathsOf(spec, arch, images);
  const { accel, reason } = await chooseAccelerator(spec.accel, arch, context);
  const boots = await inParallel(paths, availableParallelism(), async (path) => {
    const plan: BootPlan = {
      machine: await describeMachine(spec, arch, path, accel, images),
      accelReason: reason,
      failOn: spec.failOn,
      limits: { timeout: spec.timeout, silence: spec.silence, settle: spec.settle },
      ...(spec.prompt === undefined ? {} : { prompt: spec.prompt }),
      ...(images.initramfs === undefined
        ? {}
        : { inspectInitramfs: (parts) => inspectInitramfs(images.initramfs!, context, parts) }),
    };
    return context.logger.stage(
      `boot ${path}`,
      (log) => bootOnce(plan, context, log),
      (boot) => boot.verdict.title,
      (boot) => boot.verdict.kind === "passed",
    );
  });
  findings.boots.push(...boots);
}
