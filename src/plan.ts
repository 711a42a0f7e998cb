/** What a spec asks, understood before anything starts: sources and configurations, images and boot paths. */
import { type ConfigRequest, readConfigRequest } from "./build/configure.ts";
import { profiles } from "./build/profiles.ts";
import { type Architecture, architectureOf, type BootPath } from "./machine/architectures.ts";
import type { Images } from "./machine/describe.ts";
import { Failure } from "./outcome.ts";
import { parseSourceRequest } from "./source/source.ts";
import type { SourceName, SourceRequest } from "./source/types.ts";
import type { Spec } from "./spec/spec.ts";

/** What a spec asks of the kernel and of BusyBox, read and understood before anything starts. */
export type Halves = Readonly<
  Record<
    SourceName,
    { readonly request: SourceRequest; readonly config: ConfigRequest; readonly patches: readonly string[] }
  >
>;

/** @throws Failure `bad-request` */
export async function readHalves(spec: Spec): Promise<Halves> {
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

/** The boot paths that were asked for, or that the architecture has, as far as there are images for them. */
export function pathsOf(spec: Spec, arch: Architecture, images: Images): readonly BootPath[] {
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

/** The whole kernel command line. */
export function commandLine(spec: Spec, arch: Architecture): string {
  return [arch.consoleArguments, spec.append ?? ""].join(" ").trim();
}

/** Images that were made elsewhere. */
export function givenImages(spec: Spec): Images {
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
