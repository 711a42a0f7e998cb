/**
 * result.json: what a run found, for machines. The schema here is the published one (dist/result.schema.json is made
 * from it); `schemaVersion` follows semver: a field is added in a minor version, renamed or removed in a major one.
 */
import * as v from "valibot";
import { classes, type FailureClass } from "../outcome.ts";

export const schemaVersion = "1.0.0";

const failureClass = v.picklist(Object.keys(classes) as [FailureClass, ...FailureClass[]]);
const kind = v.picklist(["passed", "failed", "request", "world"]);
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const milliseconds = v.pipe(v.number(), v.minValue(0));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const artifact = v.object({ name: v.string(), path: v.string(), sha256, size: count });

const bootSchema = v.object({
  path: v.string(),
  accel: v.picklist(["kvm", "tcg"]),
  accelReason: v.string(),
  verdict: v.object({
    class: failureClass,
    kind,
    title: v.string(),
    reached: v.string(),
    excerpt: v.array(v.object({ line: count, text: v.string() })),
  }),
  timeline: v.array(v.object({ state: v.string(), ms: milliseconds })),
  commands: v.array(
    v.object({ command: v.string(), code: v.number(), stdout: v.string(), ms: milliseconds }),
  ),
  counted: v.object({ warnings: count, allowed: count }),
  tainted: v.nullable(v.number()),
  console: v.nullable(v.string()),
  screenshot: v.nullable(v.string()),
  dmesg: v.nullable(v.string()),
  qemu: v.array(v.string()),
});

export const resultSchema = v.object({
  schemaVersion: v.string(),
  outcome: kind,
  class: failureClass,
  title: v.string(),
  detail: v.array(v.string()),
  spec: v.record(v.string(), v.unknown()),
  sources: v.array(
    v.object({
      name: v.string(),
      version: v.string(),
      form: v.string(),
      origin: v.string(),
      sha256,
      verifiedBy: v.string(),
    }),
  ),
  artifacts: v.array(artifact),
  stages: v.array(
    v.object({ name: v.string(), key: sha256, hit: v.boolean(), ms: milliseconds, cpuMs: milliseconds }),
  ),
  boots: v.array(bootSchema),
  tools: v.array(v.object({ name: v.string(), version: v.string() })),
});

/** Paths of artifacts, consoles and pictures are relative to the out folder. */
export type Result = v.InferOutput<typeof resultSchema>;
