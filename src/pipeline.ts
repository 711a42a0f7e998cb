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
import { type ConfigRequest, readConfigRequest } from "./build/configure.ts";
import { parseConfig } from "./build/kconfig.ts";
import { buildKernel } from "./build/kernel.ts";
import { profiles } from "./build/profiles.ts";
import { findToolchain } from "./build/toolchain.ts";
import type { BuildRequest } from "./build/tree.ts";
import type { Context, Folders } from "./context.ts";
import { type Artifact, freeSpace } from "./host/files.ts";
import { ensurePackages, needsOf, type Part } from "./host/packages.ts";
import { inspectInitramfs } from "./image/inspect.ts";
import { buildDisk, buildInitramfs } from "./image/stages.ts";
import { chooseAccelerator } from "./machine/accelerator.ts";
import { type Architecture, architectureOf, type BootPath } from "./machine/architectures.ts";
import { describeMachine, type Images } from "./machine/describe.ts";
import { asFailure, Failure } from "./outcome.ts";
import { conclude, type Findings, noFindings } from "./report/conclude.ts";
import { clearOut, publish, writeReport } from "./report/report.ts";
import type { Result } from "./report/result.ts";
import { obtainSource, parseSourceRequest } from "./source/source.ts";
import type { Source, SourceName, SourcePolicy, SourceRequest } from "./source/types.ts";
import type { Spec } from "./spec/spec.ts";
import { fileNamed } from "./store/remember.ts";
import { inParallel, together } from "./together.ts";

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
 * Everything up to the disk. Requests are read before anything starts; the kernel is built beside BusyBox; what is
 * finished is in the out folder at once.
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
    await record(findings, shared, built);
    return built;
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
  await record(findings, context, initramfs);

  const kernelImage = fileNamed(kernel.files, arch.image.name).path;
  const packed = initramfs.files[0]!.path;
  const append = commandLine(spec, arch);
  const disk = await buildDisk(
    {
      kernelImage,
      initramfs: packed,
      append,
      imageSize: spec.imageSize,
      loaders: {
        syslinux: "bios" in arch.paths,
        efi: { bootFile: arch.efiBootFile, systemdBoot: arch.systemdBoot },
      },
    },
    context,
  );
  await record(findings, context, disk);
  return {
    kernel: kernelImage,
    vmlinux: fileNamed(kernel.files, "vmlinux").path,
    initramfs: packed,
    disk: fileNamed(disk.files, "boot.img").path,
    append,
  };
}

/** A stage's outcome, as far as every stage has one. */
interface Outcome {
  readonly files: readonly Artifact[];
  readonly stage: Findings["stages"][number];
}

/** What a spec asks of the kernel and of BusyBox, read and understood before anything starts. */
type Halves = Readonly<
  Record<
    SourceName,
    { readonly request: SourceRequest; readonly config: ConfigRequest; readonly patches: readonly string[] }
  >
>;

/** @throws Failure `bad-request` */
async function readHalves(spec: Spec): Promise<Halves> {
  return {
    linux: {
      request: parseSourceRequest("linux", spec.kernel),
      config: await readConfigRequest(
        (name) => profiles[name]?.kernel,
        spec.profile,
        spec.kernelConfig,
        spec.kernelFragments,
      ),
      patches: spec.kernelPatches,
    },
    busybox: {
      request: parseSourceRequest("busybox", spec.busybox),
      config: await readConfigRequest(
        (name) => profiles[name]?.busybox,
        spec.profile,
        spec.busyboxConfig,
        spec.busyboxFragments,
      ),
      patches: spec.busyboxPatches,
    },
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
    ({ version, verifiedBy }) => `${version}, verified by ${verifiedBy}`,
  );
  findings.sources.push(source);
  return source;
}

/** Keeps a stage's record, and copies its files to the out folder. */
async function record(findings: Findings, context: Context, outcome: Outcome): Promise<void> {
  findings.stages.push(outcome.stage);
  findings.artifacts.push(...(await publish(outcome.files, context.folders.out)));
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
        : { inspectInitramfs: () => inspectInitramfs(images.initramfs!, context) }),
    };
    return context.logger.stage(
      `boot ${path}`,
      (log) => bootOnce(plan, context, log),
      (boot) => boot.verdict.title,
    );
  });
  findings.boots.push(...boots);
}

/** A full disk is only understood with the room that each folder has. */
async function withFreeSpace(failure: Failure, folders: Folders): Promise<Failure> {
  const room = await Promise.all(Object.values(folders).map(freeSpace));
  const detail = [...new Set(room), ...failure.detail];
  return new Failure("disk-full", failure.message, { detail, cause: failure.cause });
}

/** The boot paths that were asked for, or that the architecture has, as far as there are images for them. */
function pathsOf(spec: Spec, arch: Architecture, images: Images): readonly BootPath[] {
  const has = { kernel: images.kernel !== undefined, disk: images.disk !== undefined };
  const possible = (path: BootPath) => {
    const entry = arch.paths[path];
    return (
      entry !== undefined &&
      has[entry.attaches] &&
      (entry.kernelFile !== "vmlinux" || images.vmlinux !== undefined)
    );
  };
  const asked = spec.boot as readonly BootPath[];
  const impossible = asked.filter((path) => !possible(path));
  if (impossible.length > 0) {
    const can = (Object.keys(arch.paths) as BootPath[]).filter(possible).join(", ");
    throw new Failure("bad-request", `boot: ${impossible.join(", ")} can't boot what was given; ${can} can`);
  }
  return asked.length > 0 ? [...new Set(asked)] : arch.defaultPaths.filter(possible);
}

function commandLine(spec: Spec, arch: Architecture): string {
  return [arch.consoleArguments, spec.append ?? ""].join(" ").trim();
}

/** Images that were made elsewhere. */
function givenImages(spec: Spec): Images {
  const { kernelImage, initramfs, disk } = spec;
  if (initramfs !== undefined && kernelImage === undefined) {
    throw new Failure("bad-request", "initramfs: it needs kernel-image; a disk carries its own");
  }
  if (kernelImage === undefined && disk === undefined) {
    throw new Failure("bad-request", "there is nothing to boot: neither disk nor kernel-image was given", {
      detail: [
        "After `bootgate run`: --disk out/boot.img, or --kernel-image out/bzImage --initramfs out/initramfs.cpio.zst",
      ],
    });
  }
  if (spec.append !== undefined && kernelImage === undefined) {
    throw new Failure(
      "bad-request",
      "append: a disk carries its own kernel command line; it goes with kernel-image",
    );
  }
  return { kernel: kernelImage, initramfs, disk, append: commandLine(spec, architectureOf(spec.arch)) };
}

/**
 * Runs the story and tells its end, whatever it was: the report stands in the out folder on failure as on success.
 * @throws Failure only for a wrong request, of which nothing is written, and for a cancelled run
 */
async function told(
  spec: Spec,
  context: Context,
  parts: readonly Part[],
  story: (findings: Findings) => Promise<void>,
): Promise<Result> {
  const findings = noFindings();
  let failure: Failure | undefined;
  await clearOut(context.folders.out, parts.includes("image") ? ["evidence", "images"] : ["evidence"]);
  try {
    await ensurePackages(needsOf(parts), spec.installPackages, context);
    await story(findings);
  } catch (error) {
    failure = context.signal.aborted
      ? new Failure("cancelled", "the run was cancelled")
      : asFailure(error, "the run");
    if (failure.kind === "request") throw failure;
    if (failure.failureClass === "disk-full") failure = await withFreeSpace(failure, context.folders);
  }
  const result = conclude(spec, findings, failure, context.folders.out);
  await writeReport(result, context.folders.out);
  return result;
}
