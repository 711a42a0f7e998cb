/**
 * The system packages that a run needs: what it looks for (a program or a file), and the Debian and Ubuntu package that
 * brings it. Only what is missing is installed, in one apt call.
 */
import type { Context } from "../context.ts";
import { Failure } from "../outcome.ts";
import { exists } from "./files.ts";
import type { Runner } from "./process.ts";

/** One thing a run needs. */
export interface Need {
  /** A program on the PATH, or absolute paths of which one must exist. */
  readonly find: string | readonly string[];
  readonly package: string;
  /** What it is needed for, in a few words. */
  readonly reason: string;
}

/** What each part of a run needs. Package names are the same on Debian 12 and Ubuntu 24.04. */
export const needs = {
  source: [
    { find: "xz", package: "xz-utils", reason: "unpacks .tar.xz" },
    { find: "bzip2", package: "bzip2", reason: "unpacks .tar.bz2" },
    { find: "tar", package: "tar", reason: "unpacks sources" },
  ],
  build: [
    { find: "gcc", package: "gcc", reason: "compiles" },
    {
      find: ["/usr/include/x86_64-linux-gnu/sys/types.h", "/usr/include/aarch64-linux-gnu/sys/types.h"],
      package: "libc6-dev",
      reason: "BusyBox's C library, static",
    },
    { find: "make", package: "make", reason: "runs Kbuild" },
    { find: "flex", package: "flex", reason: "Kconfig's scanner" },
    { find: "bison", package: "bison", reason: "Kconfig's parser" },
    { find: "bc", package: "bc", reason: "the kernel's time constants" },
    { find: "perl", package: "perl", reason: "the kernel's scripts" },
    { find: "patch", package: "patch", reason: "applies patches" },
    { find: "ccache", package: "ccache", reason: "compiles only what changed" },
    { find: ["/usr/include/libelf.h"], package: "libelf-dev", reason: "the kernel's objtool" },
    { find: ["/usr/include/openssl/ssl.h"], package: "libssl-dev", reason: "the kernel's certificates" },
  ],
  image: [
    { find: "mkfs.fat", package: "dosfstools", reason: "formats boot.img" },
    { find: "mcopy", package: "mtools", reason: "fills boot.img" },
    { find: "syslinux", package: "syslinux", reason: "the BIOS boot loader" },
    {
      find: ["/usr/lib/systemd/boot/efi/systemd-bootx64.efi"],
      package: "systemd-boot-efi",
      reason: "the UEFI boot loader",
    },
    { find: "zstd", package: "zstd", reason: "compresses the initramfs" },
  ],
  boot: [
    { find: "qemu-system-x86_64", package: "qemu-system-x86", reason: "the machine" },
    { find: ["/usr/share/OVMF/OVMF_CODE_4M.fd"], package: "ovmf", reason: "UEFI firmware" },
  ],
} as const satisfies Record<string, readonly Need[]>;

export type Part = keyof typeof needs;

/** The needs of several parts. */
export function needsOf(parts: readonly Part[]): readonly Need[] {
  return parts.flatMap((part): readonly Need[] => needs[part]);
}

/** Those needs that this machine does not meet. */
export async function missingNeeds(wanted: readonly Need[], run: Runner): Promise<readonly Need[]> {
  const found = await Promise.all(
    wanted.map(async ({ find }) =>
      typeof find === "string"
        ? run.find(find) !== undefined
        : (await Promise.all(find.map(exists))).some((present) => present),
    ),
  );
  return wanted.filter((_, index) => !found[index]);
}

/** The one command that installs them. */
export function installCommand(missing: readonly Need[]): string {
  const names = [...new Set(missing.map((need) => need.package))].sort();
  return `sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${names.join(" ")}`;
}

/**
 * Sees to it that the machine has what the parts need: installs it when it may, else names the one command.
 * @throws Failure `missing-program`
 */
export async function ensurePackages(
  wanted: readonly Need[],
  install: boolean,
  context: Context,
): Promise<void> {
  const missing = await missingNeeds(wanted, context.run);
  if (missing.length === 0) return;
  const refusal = (why: string) =>
    new Failure(
      "missing-program",
      `${list(missing)} ${missing.length === 1 ? "is" : "are"} missing, and ${why}`,
      {
        detail: [`run: ${installCommand(missing)}`],
      },
    );
  if (!install) throw refusal("`install-packages` is false");
  if (context.run.find("apt-get") === undefined) throw refusal("this system has no apt-get");
  const privilege = await rootPrefix(context.run);
  if (privilege === undefined) throw refusal("neither root nor passwordless sudo is at hand");

  await context.logger.stage("packages", async (log) => {
    const apt = async (args: readonly string[]) => {
      const [program = "apt-get", ...rest] = [
        ...privilege,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        ...args,
      ];
      const said: string[] = [];
      const exit = await context.run.lines(program, rest, {
        onLine: (line) => {
          said.push(line);
          log.output(line);
        },
      });
      if (exit.code !== 0) {
        const full = said.some((line) => /No space left on device|enough free space/.test(line));
        throw new Failure(
          full ? "disk-full" : "missing-program",
          `apt-get ${args[0]} ended with exit code ${exit.code}; still missing: ${list(missing)}`,
          { detail: [...said.slice(-10), `by hand: ${installCommand(missing)}`] },
        );
      }
    };
    const names = [...new Set(missing.map((need) => need.package))].sort();
    log.progress({ note: `installing ${names.join(", ")}` });
    // Old lists name packages that the archive has replaced since.
    await apt(["update", "--quiet"]);
    await apt(["install", "--yes", "--no-install-recommends", "--quiet", "-o", "Dpkg::Use-Pty=0", ...names]);
  });
  const still = await missingNeeds(missing, context.run);
  if (still.length > 0)
    throw new Failure("missing-program", `apt-get installed ${list(still)}, yet it is not found`);
}

function list(missing: readonly Need[]): string {
  return missing.map((need) => (typeof need.find === "string" ? need.find : need.find[0])).join(", ");
}

/** What to put before a command to run it as root: nothing, sudo, or undefined when there is no way. */
async function rootPrefix(run: Runner): Promise<readonly string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  if (run.find("sudo") === undefined) return undefined;
  const { code } = await run.tool("sudo", ["-n", "true"], { accept: [0, 1] });
  return code === 0 ? ["sudo", "-n"] : undefined;
}
