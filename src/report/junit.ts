/** junit.xml: one suite per boot path, one case per state that the boot was to reach. */
import Builder from "fast-xml-builder";
import type { Result } from "./result.ts";

type Boot = Result["boots"][number];

/** Characters that XML 1.0 does not allow at all (section 2.2); a console may print any byte. */
const forbidden = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g;
const clean = (text: string) => text.replace(forbidden, "\ufffd");

/** The file's text. */
export function renderJunit(result: Result): string {
  const suites = result.boots.length > 0 ? result.boots.map(suiteOf) : [suiteOfRun(result)];
  const builder = new Builder({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    format: true,
    suppressBooleanAttributes: false,
  });
  const total = (name: "@tests" | "@failures" | "@errors") =>
    suites.reduce((sum, suite) => sum + suite[name], 0);
  const document = {
    "?xml": { "@version": "1.0", "@encoding": "UTF-8" },
    testsuites: {
      "@name": "bootgate",
      "@tests": total("@tests"),
      "@failures": total("@failures"),
      "@errors": total("@errors"),
      testsuite: suites,
    },
  };
  return builder.build(document);
}

function suiteOf(boot: Boot) {
  const { verdict } = boot;
  let before = 0;
  const cases: object[] = boot.timeline.map(({ state, ms }) => {
    const time = seconds(ms - before);
    before = ms;
    return { "@classname": `boot.${boot.path}`, "@name": state, "@time": time };
  });
  const passed = verdict.kind === "passed";
  cases.push({
    "@classname": `boot.${boot.path}`,
    "@name": "verdict",
    "@time": 0,
    ...(passed ? {} : { [verdict.kind === "failed" ? "failure" : "error"]: complaint(verdict) }),
  });
  return {
    "@name": `boot ${boot.path} (${boot.accel})`,
    "@tests": cases.length,
    "@failures": verdict.kind === "failed" ? 1 : 0,
    "@errors": passed || verdict.kind === "failed" ? 0 : 1,
    "@time": seconds(before),
    testcase: cases,
  };
}

/** A run that ended before any boot is one suite with one case. */
function suiteOfRun(result: Result) {
  const entry = { class: result.class, title: result.title, excerpt: [] };
  const passed = result.outcome === "passed";
  const failed = result.outcome === "failed";
  return {
    "@name": "build",
    "@tests": 1,
    "@failures": failed ? 1 : 0,
    "@errors": passed || failed ? 0 : 1,
    "@time": seconds(result.stages.reduce((sum, stage) => sum + stage.ms, 0)),
    testcase: [
      {
        "@classname": "build",
        "@name": "images are built",
        "@time": 0,
        ...(passed ? {} : { [failed ? "failure" : "error"]: complaint(entry) }),
      },
    ],
  };
}

function complaint(verdict: Pick<Boot["verdict"], "class" | "title" | "excerpt">) {
  return {
    "@type": verdict.class,
    "@message": clean(verdict.title),
    "#text": clean(verdict.excerpt.map(({ line, text }) => `${line}: ${text}`).join("\n")),
  };
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
