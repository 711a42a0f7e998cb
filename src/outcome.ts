/**
 * How a run can end. One table: every failure class with its kind, what it means, and what the person who sees it
 * should do. Exit codes, the `outcome` output and the README's troubleshooting table derive from it.
 */

/**
 * The four kinds of ending. `failed`: anything that the content under test can cause. `request`: what was asked makes
 * no sense. `world`: network, disk, a missing program, an accelerator that was demanded.
 */
export type Kind = "passed" | "failed" | "request" | "world";

/** The exit code of each kind (DESIGN.md, "Command line"). */
export const exitCodes: Readonly<Record<Kind, number>> = { passed: 0, failed: 1, request: 2, world: 3 };

export interface ClassEntry {
  readonly kind: Kind;
  /** What happened, in one sentence. */
  readonly meaning: string;
  /** What to do about it, in one sentence that a newcomer can follow. */
  readonly advice: string;
  /** An exit code other than the kind's. */
  readonly exitCode?: number;
}

const table = {
  passed: {
    kind: "passed",
    meaning: "Every boot path gave a shell that answered.",
    advice: "Nothing to do.",
  },

  "bad-request": {
    kind: "request",
    meaning: "An input, flag or file that was given makes no sense.",
    advice: "Correct what the message names; `--help` shows what can be asked.",
  },

  "source-unreachable": {
    kind: "world",
    meaning: "No mirror delivered the source; every attempt is listed.",
    advice: "Check the network or name a local archive or folder with `kernel` or `busybox`.",
  },
  "source-rejected": {
    kind: "world",
    meaning:
      "What a mirror delivered is not what was asked for: wrong hash, not an archive, or hostile members.",
    advice: "Do not use that mirror; report it if the URL is an official one.",
  },
  "missing-program": {
    kind: "world",
    meaning: "A program or file that this run needs is not installed.",
    advice: "Run the command that the message names, or `bootgate doctor`.",
  },
  "disk-full": {
    kind: "world",
    meaning: "The disk is full, or has less room than the next stage needs.",
    advice: "Free space (`bootgate cache prune`) or point XDG_CACHE_HOME and `--out` elsewhere.",
  },
  "host-failed": {
    kind: "world",
    meaning: "This computer failed in a way that says nothing about the Linux under test.",
    advice: "Read the cause in the message; run `bootgate doctor`.",
  },
  "kvm-unusable": {
    kind: "world",
    meaning: "`accel: kvm` was asked for, and KVM is absent, forbidden or emulated.",
    advice: "Use `accel: auto`, or fix what `bootgate doctor` says of /dev/kvm.",
  },
  "qemu-failed": {
    kind: "world",
    meaning: "QEMU did not start or ended by itself before the guest did.",
    advice: "QEMU's own message is in the excerpt; check `qemu-args`, `cpu` and `memory`.",
  },
  cancelled: {
    kind: "world",
    meaning: "The run was interrupted from outside.",
    advice: "Start it again; evidence gathered so far is in the out folder.",
    exitCode: 130,
  },

  "patch-failed": {
    kind: "failed",
    meaning: "A patch does not apply to the source.",
    advice: "Rebase the patch; the message names file and hunk.",
  },
  "config-lost": {
    kind: "failed",
    meaning: "A requested Kconfig symbol did not survive `make olddefconfig`.",
    advice: "Enable the dependency that the message names, or drop the symbol.",
  },
  "compile-failed": {
    kind: "failed",
    meaning: "The kernel or BusyBox does not compile.",
    advice: "The compiler's errors come first; the whole log is in `out/logs`.",
  },
  "busybox-unusable": {
    kind: "failed",
    meaning: "The BusyBox that was built is not static, or is for another machine.",
    advice: "Keep CONFIG_STATIC=y and check the cross-compile prefix.",
  },
  "image-too-small": {
    kind: "failed",
    meaning: "Kernel and initramfs do not fit into boot.img.",
    advice: "Set `image-size` to the size that the message names.",
  },

  "no-output": {
    kind: "failed",
    meaning: "The machine ran and nothing at all came out of the serial port.",
    advice: "Check that the image is for this architecture and that the console is the right serial port.",
  },
  "firmware-only": {
    kind: "failed",
    meaning: "The firmware ran and found nothing to boot.",
    advice: "Check the boot sector (BIOS) or /EFI/BOOT (UEFI) of the disk image.",
  },
  "bootloader-failed": {
    kind: "failed",
    meaning: "The boot loader ran and could not load the kernel or the initramfs.",
    advice:
      "Check that kernel and initramfs are whole, and on a disk that they are where syslinux.cfg or loader/entries say.",
  },
  "kernel-silent": {
    kind: "failed",
    meaning: "The kernel was started and never spoke.",
    advice:
      "Check `console=` on the command line, serial support in the config, the kernel file itself, and that `memory` is enough.",
  },
  "initramfs-corrupt": {
    kind: "failed",
    meaning: "The kernel could not unpack the initramfs.",
    advice: "The archive is cut short or damaged, or its compression is not built into this kernel.",
  },
  "no-rootfs": {
    kind: "failed",
    meaning: "The kernel found no root file system (no usable /init, and nothing to mount).",
    advice: "Check `rdinit=`, `root=` and that the initramfs holds an executable /init.",
  },
  "no-init": {
    kind: "failed",
    meaning: "There is a root file system, but no program in it could be started as init.",
    advice: "Check that /init exists, is executable, is for this machine, and that its interpreter is there.",
  },
  "init-died": {
    kind: "failed",
    meaning: "init ended, and the kernel panicked because of it.",
    advice: "See the exit code in the excerpt and the lines before it.",
  },
  panic: {
    kind: "failed",
    meaning: "The kernel panicked.",
    advice: "The excerpt holds the report; the function that failed is in the title.",
  },
  oops: {
    kind: "failed",
    meaning: "The kernel reported a BUG or an oops and went on.",
    advice: "The excerpt holds the report; `fail-on: panic` lets it pass.",
  },
  warning: {
    kind: "failed",
    meaning: "The kernel reported a WARNING, which by its own definition is a bug.",
    advice: "The excerpt holds the report; `fail-on: oops` lets it pass.",
  },
  "no-prompt": {
    kind: "failed",
    meaning: "The kernel came up, but no shell prompt appeared.",
    advice: "Check init, and `prompt` if the shell's prompt is an unusual one.",
  },
  "probe-failed": {
    kind: "failed",
    meaning: "A prompt appeared, but the shell behind it did not answer.",
    advice: "Check that the console takes input and that a real shell stands behind the prompt.",
  },
  "unexpected-reboot": {
    kind: "failed",
    meaning: "The guest reset or powered off before it gave a shell.",
    advice: "See the last lines of the console; a triple fault resets without a word.",
  },
  timeout: {
    kind: "failed",
    meaning: "The boot took longer than `timeout` allows.",
    advice: "See how far the timeline went; raise `timeout` if the machine is only slow.",
  },
} as const satisfies Record<string, ClassEntry>;

export type FailureClass = keyof typeof table;

/** Every class, in the order in which a run can meet them. */
export const classes: Readonly<Record<FailureClass, ClassEntry>> = table;

/** The exit code of a class: its own, else that of its kind. */
export function exitCodeOf(failureClass: FailureClass): number {
  const entry = classes[failureClass];
  return entry.exitCode ?? exitCodes[entry.kind];
}

/**
 * An ending that has a name. `message` is the title: one line saying what happened, to what. `detail` holds further
 * lines (compiler errors, attempts made, what to do).
 */
export class Failure extends Error {
  readonly failureClass: FailureClass;
  readonly detail: readonly string[];

  constructor(
    failureClass: FailureClass,
    title: string,
    options: { readonly detail?: readonly string[]; readonly cause?: unknown } = {},
  ) {
    super(title, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.failureClass = failureClass;
    this.detail = options.detail ?? [];
  }

  get kind(): Kind {
    return classes[this.failureClass].kind;
  }
}

/**
 * Any thrown value as a Failure. A full disk keeps its class wherever it strikes; what nobody foresaw is `host-failed`.
 * @param during what was being done, for the title
 */
export function asFailure(error: unknown, during: string): Failure {
  if (error instanceof Failure) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new Failure("disk-full", `the disk is full: ${during}: ${message}`, { cause: error });
  }
  if (code === "ABORT_ERR" || (error as Error | undefined)?.name === "AbortError") {
    return new Failure("cancelled", `cancelled: ${during}`, { cause: error });
  }
  return new Failure("host-failed", `${during}: ${message}`, { cause: error });
}
