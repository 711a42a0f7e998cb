/**
 * What can be asked: the one table from which action.yml's inputs, the command line's flags, their validation and the
 * README's tables come. A new input is one entry. Names and defaults are DESIGN.md's contract: add, never rename.
 */
import * as v from "valibot";
import { profiles } from "../build/profiles.ts";
import { compressions } from "../image/compress.ts";
import { architectures } from "../machine/architectures.ts";
import {
  bytes,
  choice,
  flag,
  lines,
  list,
  name,
  path,
  pattern,
  pause,
  seconds,
  size,
  text,
  whole,
  words,
} from "./forms.ts";

/** The commands that take inputs, in the order of the help. */
export type Command = "run" | "build" | "boot" | "shell";

const everywhere: readonly Command[] = ["run", "build", "boot", "shell"];
const building: readonly Command[] = ["run", "build"];
const booting: readonly Command[] = ["run", "boot", "shell"];
const prebuilt: readonly Command[] = ["boot", "shell"];
const judging: readonly Command[] = ["run", "boot"];

export interface Input {
  /** Turns what was written (a string; a list of strings where `many`) into the spec's value, or says what is wrong. */
  readonly schema: v.GenericSchema<unknown, unknown>;
  /** The forms it takes, for help and tables. */
  readonly forms: string;
  /** What it is for, in one sentence. */
  readonly about: string;
  /** The value when nothing is written; undefined: the input is left out of the spec. */
  readonly default?: string;
  /** How tables show the default where it is not a plain value. */
  readonly defaultShown?: string;
  /** The default depends on who asks: `parseSpec` is told it. */
  readonly fromDoor?: true;
  /** One item a line in a workflow, a flag given again in a terminal. */
  readonly many?: boolean;
  readonly commands: readonly Command[];
  /** The placeholder after the flag in the help. */
  readonly value: string;
}

const sourceForms =
  "`auto`, a release (`6.12.104`), `apt[:SUITE]`, a folder or an archive (`./linux`, `/src/linux.tar.xz#sha256=…`)";

export const inputs = {
  profile: {
    schema: choice(Object.keys(profiles)),
    forms: Object.keys(profiles)
      .map((key) => `\`${key}\``)
      .join(", "),
    about: "Kernel and BusyBox configuration together.",
    default: "minimal",
    commands: building,
    value: "name",
  },
  arch: {
    schema: choice(Object.keys(architectures)),
    forms: Object.keys(architectures)
      .map((key) => `\`${key}\``)
      .join(", "),
    about: "The architecture to build for and to emulate.",
    fromDoor: true,
    defaultShown: "the host's",
    commands: everywhere,
    value: "name",
  },
  kernel: {
    schema: text,
    forms: sourceForms,
    about: "Where the kernel's source comes from.",
    default: "auto",
    commands: building,
    value: "source",
  },
  busybox: {
    schema: text,
    forms: sourceForms.replaceAll("linux", "busybox").replace("6.12.104", "1.37.0"),
    about: "Where BusyBox's source comes from.",
    default: "auto",
    commands: building,
    value: "source",
  },
  "kernel-config": {
    schema: path,
    forms: "a profile's name, an in-tree defconfig's name, or a file",
    about: "The kernel's base configuration.",
    defaultShown: "the profile's",
    commands: building,
    value: "config",
  },
  "busybox-config": {
    schema: path,
    forms: "a profile's name, `defconfig`, or a file",
    about: "BusyBox's base configuration.",
    defaultShown: "the profile's",
    commands: building,
    value: "config",
  },
  "kernel-fragments": {
    schema: list(lines),
    forms: "files, or inline `CONFIG_…=…` lines",
    about: "Kconfig fragments laid over the kernel's configuration; every symbol must survive.",
    many: true,
    commands: building,
    value: "fragment",
  },
  "busybox-fragments": {
    schema: list(lines),
    forms: "files, or inline `CONFIG_…=…` lines",
    about: "Kconfig fragments laid over BusyBox's configuration; every symbol must survive.",
    many: true,
    commands: building,
    value: "fragment",
  },
  "kernel-patches": {
    schema: list(path),
    forms: "files or globs, applied in order",
    about: "Patches for the kernel's tree (`patch -p1`).",
    many: true,
    commands: building,
    value: "file",
  },
  "busybox-patches": {
    schema: list(path),
    forms: "files or globs, applied in order",
    about: "Patches for BusyBox's tree (`patch -p1`).",
    many: true,
    commands: building,
    value: "file",
  },
  ccache: {
    schema: v.union([v.literal("off"), bytes], "a size such as 500M, or off"),
    forms: "a size, or `off`",
    about: "How much compiled output ccache may keep.",
    default: "500M",
    commands: building,
    value: "size",
  },
  init: {
    schema: path,
    forms: "a file",
    about: "The program that becomes /init instead of Bootgate's own.",
    defaultShown: "a script that mounts, and starts a shell on the console and the screen",
    commands: building,
    value: "file",
  },
  overlay: {
    schema: list(path),
    forms: "folders or archives",
    about: "Laid over the root file system, in order.",
    many: true,
    commands: building,
    value: "path",
  },
  compression: {
    schema: choice(compressions),
    forms: compressions.map((key) => `\`${key}\``).join(", "),
    about: "How the initramfs is compressed.",
    defaultShown: "what the kernel has, best first",
    commands: building,
    value: "name",
  },
  "image-size": {
    schema: size(2 ** 20, 2 ** 40),
    forms: "bytes with K, M or G",
    about: "The size of boot.img.",
    default: "64M",
    commands: building,
    value: "size",
  },
  append: {
    schema: text,
    forms: "text",
    about: "Added to the kernel's command line.",
    commands: everywhere,
    value: "text",
  },
  boot: {
    schema: list(choice(["direct", "bios", "uefi", "pvh"])),
    forms: "`direct`, `bios`, `uefi`, `pvh`",
    about: "The ways to boot that must all pass.",
    defaultShown: "the architecture's (x86_64: all three); for `boot`, those that the given files allow",
    many: true,
    commands: booting,
    value: "path",
  },
  "kernel-image": {
    schema: path,
    forms: "a file",
    about: "A kernel made elsewhere (bzImage), booted directly.",
    commands: prebuilt,
    value: "file",
  },
  initramfs: {
    schema: path,
    forms: "a file",
    about: "The initramfs for `kernel-image`.",
    commands: prebuilt,
    value: "file",
  },
  disk: {
    schema: path,
    forms: "a file: raw or qcow2",
    about: "A disk image made elsewhere, booted by its own boot loader.",
    commands: prebuilt,
    value: "file",
  },
  accel: {
    schema: choice(["auto", "kvm", "tcg"]),
    forms: "`auto`, `kvm`, `tcg`",
    about: "The accelerator: `auto` takes KVM when a test program runs on it at full speed.",
    default: "auto",
    commands: booting,
    value: "name",
  },
  memory: {
    schema: size(16 * 2 ** 20, 2 ** 40),
    forms: "bytes with K, M or G",
    about: "The guest's memory.",
    default: "512M",
    commands: booting,
    value: "size",
  },
  cpus: {
    schema: whole(1, 256),
    forms: "a number",
    about: "The guest's processors.",
    default: "1",
    commands: booting,
    value: "n",
  },
  cpu: {
    schema: name,
    forms: "QEMU's name of a processor",
    about: "The guest's processor model.",
    defaultShown: "the architecture's entry",
    commands: booting,
    value: "model",
  },
  "qemu-args": {
    schema: words,
    forms: "QEMU's own arguments, as one text",
    about: "Added to QEMU's command line; with `shell`, `-s -S` waits for a debugger.",
    default: "",
    commands: booting,
    value: "args",
  },
  network: {
    schema: choice(["none", "user"]),
    forms: "`none`, `user`",
    about: "The guest's network card: none, or behind QEMU's user-mode NAT.",
    default: "none",
    commands: booting,
    value: "name",
  },
  prompt: {
    schema: pattern,
    forms: "a regular expression",
    about: "What the shell's prompt looks like at the end of the console's output.",
    defaultShown: "a shell's prompt (`# ` or `$ `)",
    commands: judging,
    value: "regex",
  },
  timeout: {
    schema: seconds,
    forms: "seconds",
    about: "The limit of one whole boot.",
    defaultShown: "180 under TCG, 60 under KVM",
    commands: judging,
    value: "s",
  },
  silence: {
    schema: seconds,
    forms: "seconds",
    about: "How long a guest may say nothing.",
    defaultShown: "6 to 30, by accelerator and state",
    commands: judging,
    value: "s",
  },
  settle: {
    schema: pause,
    forms: "seconds",
    about: "How long a guest is watched after it has proved itself.",
    default: "1",
    commands: judging,
    value: "s",
  },
  "fail-on": {
    schema: choice(["panic", "oops", "warning"]),
    forms: "`panic`, `oops`, `warning`",
    about: "The mildest kernel report that fails the gate.",
    default: "warning",
    commands: judging,
    value: "level",
  },
  cache: {
    schema: choice(["auto", "read", "write", "off"]),
    forms: "`auto`, `read`, `write`, `off`",
    about: "Whether stages are taken from, and kept in, the store.",
    default: "auto",
    commands: building,
    value: "mode",
  },
  "install-packages": {
    schema: flag,
    forms: "`true`, `false`",
    about: "Install the system packages that the run lacks (root or passwordless sudo).",
    fromDoor: true,
    defaultShown: "`true` in a workflow and for `npm start`, else `false`",
    commands: everywhere,
    value: "bool",
  },
  out: {
    schema: path,
    forms: "a folder",
    about: "Where images, logs, pictures and reports go.",
    default: "out",
    commands: judging.concat("build"),
    value: "folder",
  },
} as const satisfies Record<string, Input>;

export type InputName = keyof typeof inputs;

/** `kernel-config` → `kernelConfig`. */
type Camel<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;

type Given<Entry> = Entry extends { readonly schema: infer Schema extends v.GenericSchema }
  ? v.InferOutput<Schema>
  : never;

type Value<Entry> = Entry extends
  | { readonly default: string }
  | { readonly many: true }
  | { readonly fromDoor: true }
  ? Given<Entry>
  : Given<Entry> | undefined;

/**
 * One request, resolved: plain values, JSON-able, no strings left to parse. Sizes are bytes, times are seconds. Lists
 * are never undefined; the rest is undefined where nothing was written and the table has no default.
 */
export type Spec = { readonly [Name in InputName as Camel<Name>]: Value<(typeof inputs)[Name]> };
