/** The command line's grammar, made from the table of inputs: commands, flags, help with examples, completion. */
import tab from "@bomb.sh/tab/commander";
import { Command, Option } from "commander";
import { type Command as CommandName, type Input, inputs } from "../spec/inputs.ts";
import type { Written } from "../spec/spec.ts";

/** What the commands do; `main.ts` hands them in. */
export interface Actions {
  readonly withSpec: (command: CommandName, written: Written, json: boolean) => Promise<void>;
  readonly doctor: (json: boolean) => Promise<void>;
  readonly cache: (verb: "ls" | "verify" | "prune", keep: string, json: boolean) => Promise<void>;
}

interface CommandEntry {
  readonly about: string;
  readonly examples: readonly string[];
}

const commands: Readonly<Record<CommandName, CommandEntry>> = {
  run: {
    about: "Build a minimal Linux, boot it, and say whether a shell came up.",
    examples: [
      "bootgate run",
      "bootgate run --kernel ./linux --kernel-fragments CONFIG_EXT4_FS=y",
      "bootgate run --profile tutorial --boot bios --json | jq .outcome",
    ],
  },
  build: {
    about: "Build kernel, BusyBox, initramfs and boot.img; boot nothing.",
    examples: [
      "bootgate build --overlay ./rootfs --image-size 32M",
      "bootgate build --compression xz --out images",
    ],
  },
  boot: {
    about: "Boot a kernel and initramfs, or a disk image, made here or elsewhere, and judge it.",
    examples: [
      "bootgate boot --disk out/boot.img",
      "bootgate boot --kernel-image bzImage --initramfs initramfs.cpio.gz --append quiet",
    ],
  },
  shell: {
    about: "Boot the same machine with this terminal attached to the guest's console.",
    examples: ["bootgate shell --disk out/boot.img", 'bootgate shell --qemu-args "-s -S"'],
  },
};

/** The whole program; parse it with `parseAsync`. */
export function createProgram(version: string, actions: Actions): Command {
  const program = new Command("bootgate")
    .description("Does this Linux still boot?")
    .version(version, "-V, --version")
    .showSuggestionAfterError(true)
    .helpCommand(false)
    .addHelpText(
      "after",
      "\nExit codes: 0 passed, 1 failed, 2 wrong request, 3 broken world (network, disk, missing program), 130 cancelled." +
        "\n`bootgate COMMAND --help` shows a command's flags. NO_COLOR is honoured." +
        "\nCompletion: source <(bootgate complete bash), or zsh, fish, powershell.",
    );

  for (const [name, entry] of Object.entries(commands) as [CommandName, CommandEntry][]) {
    const command = program.command(name).description(entry.about).allowExcessArguments(false);
    for (const option of optionsOf(name)) command.addOption(option);
    addJson(command).addHelpText("after", examples(entry.examples));
    command.action((options: Record<string, unknown>) => {
      const { json, ...written } = options;
      return actions.withSpec(name, kebabKeys(written), json === true);
    });
  }

  addJson(program.command("doctor"))
    .description(
      "Say what this machine lacks and the one command that installs it; the accelerators' real state.",
    )
    .addHelpText("after", examples(["bootgate doctor"]))
    .action((options: { json?: boolean }) => actions.doctor(options.json === true));

  const cache = program.command("cache").description("The local store: list it, check it, shrink it.");
  const verbs = {
    ls: "List what is stored.",
    verify: "Hash every file again; exit 3 when one is damaged.",
    prune: "Remove what was used longest ago, and abandoned work.",
  } as const;
  for (const [verb, about] of Object.entries(verbs) as [keyof typeof verbs, string][]) {
    const command = addJson(cache.command(verb)).description(about);
    if (verb === "prune") command.option("--keep <size>", "how much to keep", "0");
    command.action((options: { keep?: string; json?: boolean }) =>
      actions.cache(verb, options.keep ?? "0", options.json === true),
    );
  }

  addCompletion(program);
  return program;
}

function optionsOf(command: CommandName): Option[] {
  return (Object.entries(inputs) as [string, Input][])
    .filter(([, input]) => input.commands.includes(command))
    .map(([name, input]) => {
      const shown = input.defaultShown ?? input.default;
      const about = `${input.about} ${shown ? `(default: ${shown})` : ""}`.trim();
      const isFlag = input.value === "bool";
      const option = new Option(
        `--${name} ${isFlag ? "[true|false]" : `<${input.value}>`}`,
        about.replaceAll("`", ""),
      );
      if (isFlag) option.preset("true");
      if (input.many)
        option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
      return option;
    });
}

function addJson(command: Command): Command {
  return command.option("--json", "The result as JSON on stdout; everything human on stderr.");
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}

/** commander gives `kernelConfig`; the table, and every message, says `kernel-config`. */
function kebabKeys(options: Record<string, unknown>): Written {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value as string | readonly string[],
    ]),
  );
}

/** Values that a table knows (profiles, accelerators) are offered after their flag. */
function addCompletion(program: Command): void {
  const completion = tab(program);
  for (const command of completion.commands.values()) {
    for (const [name, option] of command.options) {
      const forms = (inputs as Record<string, Input>)[name]?.forms ?? "";
      const values = /^(`[\w.-]+`(, )?)+$/.test(forms)
        ? [...forms.matchAll(/`([^`]+)`/g)].map((match) => match[1])
        : [];
      if (values.length === 0) continue;
      option.handler = (complete) => {
        for (const value of values) if (value) complete(value, "");
      };
    }
  }
}
