/** The compiler and what goes with it: who they are (part of every build's key), and how make is told to use them. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { sha256OfFile } from "../host/files.ts";

/** A program whose version shapes what is built. */
export interface Tool {
  readonly name: string;
  readonly version: string;
}

/** All that a build needs to know of the machine it runs on. */
export interface Toolchain {
  readonly tools: readonly Tool[];
  /** SHA-256 of the C library that a static BusyBox takes in, and of the compiler's own driver. */
  readonly identity: readonly string[];
  /** Arguments that every make gets: CC, HOSTCC, CROSS_COMPILE. */
  readonly makeArguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly jobs: number;
}

/** 2024-01-01T00:00:00Z. Any fixed moment does; it is the build date that the guest sees. */
export const sourceDateEpoch = 1_704_067_200;

/** What makes two builds give the same bytes (Documentation/kbuild/reproducible-builds.rst; tried: FACTS.md). */
export const reproducible: Readonly<Record<string, string>> = {
  KBUILD_BUILD_TIMESTAMP: `@${sourceDateEpoch}`,
  KBUILD_BUILD_USER: "bootgate",
  KBUILD_BUILD_HOST: "bootgate",
  KBUILD_BUILD_VERSION: "1",
  SOURCE_DATE_EPOCH: String(sourceDateEpoch),
  // BusyBox's Kconfig writes the date into its banner unless told not to.
  KCONFIG_NOTIMESTAMP: "1",
};

/**
 * Programs that the kernel's Kconfig looks for and writes into `.config` (scripts/rustc-version.sh, pahole-version.sh): a
 * machine that happens to have them would give other bytes. Nothing here builds Rust or BTF, so none is found.
 */
export const unprobed = ["RUSTC", "BINDGEN", "PAHOLE"].map((name) => `${name}=bootgate-looks-for-none`);

/** Programs asked for their version, with the arguments that make them say it. */
const versioned: readonly (readonly [string, readonly string[]])[] = [
  ["gcc", ["--version"]],
  ["ld", ["--version"]],
  ["make", ["--version"]],
];

/**
 * Finds the toolchain of this machine.
 * @param crossPrefix "" for the host's own, else such as `aarch64-linux-gnu-`
 * @param ccache the most bytes it may keep, or "off"
 */
export async function findToolchain(
  crossPrefix: string,
  ccache: number | "off",
  context: Context,
): Promise<Toolchain> {
  const tools = await Promise.all(
    versioned.map(async ([name, args]) => {
      const program = name === "make" ? name : `${crossPrefix}${name}`;
      const { stdout } = await context.run.tool(program, args);
      return { name: program, version: stdout.split("\n")[0]?.trim() ?? "" };
    }),
  );
  const cached = ccache !== "off" && context.run.find("ccache") !== undefined;
  const compiler = `${cached ? "ccache " : ""}${crossPrefix}gcc`;
  const libc = await context.run.tool(`${crossPrefix}gcc`, ["-print-file-name=libc.a"]);
  const libcPath = libc.stdout.trim();
  return {
    tools,
    identity: libcPath.startsWith("/") ? [await sha256OfFile(libcPath)] : [],
    makeArguments: [
      `CC=${compiler}`,
      `HOSTCC=${cached ? "ccache " : ""}gcc`,
      ...unprobed,
      ...(crossPrefix === "" ? [] : [`CROSS_COMPILE=${crossPrefix}`]),
    ],
    environment: {
      ...reproducible,
      ...(cached
        ? {
            CCACHE_DIR: join(context.folders.cache, "ccache"),
            CCACHE_MAXSIZE: String(ccache),
            // Trees are unpacked under a new name each time; paths below it must not make a miss.
            CCACHE_BASEDIR: context.folders.temporary,
            CCACHE_NOHASHDIR: "1",
            CCACHE_COMPILERCHECK: "content",
          }
        : {}),
    },
    jobs: availableParallelism(),
  };
}
