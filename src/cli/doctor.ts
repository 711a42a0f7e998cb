/** `bootgate doctor`: what this machine lacks, the one command that installs it, and what its accelerators really do. */
import type { Context } from "../context.ts";
import { installCommand, missingNeeds, type Need, needs, type Part } from "../host/packages.ts";
import { inspectKvm } from "../machine/accelerator.ts";
import type { Architecture } from "../machine/architectures.ts";

/** What the doctor found; JSON-able. */
export interface Diagnosis {
  readonly needs: readonly {
    readonly part: Part;
    readonly what: string;
    readonly package: string;
    readonly met: boolean;
  }[];
  /** The command to run; undefined when nothing is missing. */
  readonly install: string | undefined;
  readonly accelerator: { readonly accel: string; readonly reason: string } | undefined;
  readonly node: string;
}

/** Looks at everything, changes nothing. */
export async function diagnose(arch: Architecture, context: Context): Promise<Diagnosis> {
  const all = (Object.entries(needs) as [Part, readonly Need[]][]).flatMap(([part, list]) =>
    list.map((need) => ({ part, need })),
  );
  const missing = await missingNeeds(
    all.map(({ need }) => need),
    context.run,
  );
  const hasQemu = context.run.find(arch.qemu) !== undefined;
  return {
    needs: all.map(({ part, need }) => ({
      part,
      what: typeof need.find === "string" ? need.find : (need.find[0] ?? ""),
      package: need.package,
      met: !missing.includes(need),
    })),
    install: missing.length === 0 ? undefined : installCommand(missing),
    accelerator: hasQemu ? await accelerator(arch, context) : undefined,
    node: process.version,
  };
}

async function accelerator(arch: Architecture, context: Context) {
  const { usable, reason } = await inspectKvm(arch, context);
  return { accel: usable ? "kvm" : "tcg", reason };
}

/** The diagnosis for people. */
export function renderDiagnosis(diagnosis: Diagnosis): string {
  const rows = diagnosis.needs.map(
    ({ part, what, package: name, met }) =>
      `${met ? "✔" : "✘"} ${part.padEnd(7)} ${what}${met ? "" : `  (package ${name})`}`,
  );
  const accelerator = diagnosis.accelerator
    ? `accelerator: ${diagnosis.accelerator.accel}: ${diagnosis.accelerator.reason}`
    : "accelerator: unknown until QEMU is installed";
  const end =
    diagnosis.install === undefined
      ? "Nothing is missing."
      : `To install what is missing:\n  ${diagnosis.install}`;
  return [...rows, `✔ node    ${diagnosis.node}`, accelerator, end].join("\n");
}
