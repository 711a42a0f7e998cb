/** The Action's outputs, from a result: one table for what they are and where action.yml gets its descriptions. */
import { join } from "node:path";
import type { Result } from "./result.ts";

interface OutputEntry {
  readonly about: string;
  readonly value: (result: Result, out: string) => string | undefined;
}

const versionOf = (name: string) => (result: Result) =>
  result.sources.find((source) => source.name === name)?.version;

function fileEntries(name: string, about: string, pattern: RegExp): Record<string, OutputEntry> {
  const find = (result: Result) => result.artifacts.find((file) => pattern.test(file.name));
  return {
    [name]: {
      about: `Path of ${about}.`,
      value: (result, out) => {
        const file = find(result);
        return file && join(out, file.path);
      },
    },
    [`${name}-sha256`]: { about: `SHA-256 of ${about}.`, value: (result) => find(result)?.sha256 },
  };
}

export const outputs: Readonly<Record<string, OutputEntry>> = {
  outcome: { about: "`passed`, `failed`, `request` or `world`.", value: (result) => result.outcome },
  class: { about: "The class of the ending; see the README's table.", value: (result) => result.class },
  title: { about: "The verdict in one line.", value: (result) => result.title },
  "kernel-version": { about: "The version of the kernel's source.", value: versionOf("linux") },
  "busybox-version": { about: "The version of BusyBox' source.", value: versionOf("busybox") },
  accel: { about: "The accelerator that the boots ran on.", value: (result) => result.boots[0]?.accel },
  "boot-ms": {
    about: "Milliseconds from QEMU's start to the prompt, on the first boot path.",
    value: (result) => {
      const prompt = result.boots[0]?.timeline.find((entry) => entry.state === "prompt");
      return prompt && String(Math.round(prompt.ms));
    },
  },
  "cache-hit": {
    about: "`true` when every stage came from the store.",
    value: (result) => String(result.stages.length > 0 && result.stages.every((stage) => stage.hit)),
  },
  "cache-key": {
    about: "The kernel stage's key.",
    value: (result) => result.stages.find((stage) => stage.name === "kernel")?.key,
  },
  out: { about: "The out folder.", value: (_, out) => out },
  result: { about: "Path of result.json.", value: (_, out) => join(out, "result.json") },
  ...fileEntries("kernel-image", "the kernel image", /^(bzImage|Image|zImage)$/),
  ...fileEntries("initramfs", "the initramfs", /^initramfs\.cpio/),
  ...fileEntries("boot-image", "boot.img", /^boot\.img$/),
  ...fileEntries("vmlinux", "vmlinux", /^vmlinux$/),
};

/** Every output that has a value. */
export function outputsOf(result: Result, out: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, { value }]) => {
      const text = value(result, out);
      return text === undefined ? [] : [[name, text]];
    }),
  );
}
