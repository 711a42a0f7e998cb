/** From all that a run found to its result: pure, so that a failure halfway is reported as well as a pass. */
import { relative } from "node:path";
import type { Boot } from "../boot/plan.ts";
import type { Tool } from "../build/toolchain.ts";
import type { Artifact } from "../host/files.ts";
import { classes, type Failure } from "../outcome.ts";
import type { Source } from "../source/types.ts";
import type { Spec } from "../spec/spec.ts";
import type { StageRecord } from "../store/remember.ts";
import { type Result, schemaVersion } from "./result.ts";

/** What a run knows so far; each stage adds to it, and a failure leaves it as it stands. */
export interface Findings {
  readonly sources: Source[];
  readonly artifacts: Artifact[];
  readonly stages: StageRecord[];
  readonly boots: Boot[];
  readonly tools: Tool[];
}

/** Nothing yet. */
export function noFindings(): Findings {
  return { sources: [], artifacts: [], stages: [], boots: [], tools: [] };
}

/** The story's order. What runs side by side ends in any order, and a report is the same bytes all the same. */
const order = ["linux", "kernel", "busybox", "initramfs", "disk"];

function inOrder<Named extends { readonly name: string }>(list: readonly Named[]): Named[] {
  return [...list].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/**
 * The result of a run. A failure decides; else the worst boot; else it passed.
 * @param out the out folder, which paths are relative to
 */
export function conclude(spec: Spec, findings: Findings, failure: Failure | undefined, out: string): Result {
  const bad = findings.boots.find((boot) => boot.verdict.kind !== "passed");
  const failureClass = failure?.failureClass ?? bad?.verdict.class ?? "passed";
  return {
    schemaVersion,
    outcome: classes[failureClass].kind,
    class: failureClass,
    title: failure?.message ?? (bad ? `${bad.path}: ${bad.verdict.title}` : passedTitle(findings)),
    detail: [...(failure?.detail ?? [])],
    spec,
    sources: inOrder(findings.sources).map(({ name, version, form, origin, sha256, verifiedBy }) => ({
      ...{ name, version, form, origin, sha256, verifiedBy },
    })),
    artifacts: [...findings.artifacts]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((file) => ({ ...file, path: relative(out, file.path) })),
    stages: inOrder(findings.stages),
    boots: findings.boots.map((boot) => ({
      ...boot,
      verdict: { ...boot.verdict, excerpt: [...boot.verdict.excerpt] },
      timeline: [...boot.timeline],
      commands: [...boot.commands],
      qemu: [...boot.qemu],
    })),
    tools: [...findings.tools],
  };
}

function passedTitle({ boots, sources, artifacts }: Findings): string {
  const what = inOrder(sources)
    .map((source) => `${source.name} ${source.version}`)
    .join(" with ");
  if (boots.length === 0) return `${what} built: ${artifacts.length} files`;
  return `${what || "the given images"}: ${boots.map((boot) => boot.path).join(", ")} gave a shell that answered`;
}
