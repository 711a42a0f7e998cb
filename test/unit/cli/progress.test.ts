import { describe, expect, it } from "vitest";
import { duration, mayColour, plain, renderRunning } from "../../../src/cli/progress.ts";
import { harmless } from "../../../src/cli/verdict.ts";

describe("progress in a terminal", () => {
  it("shows how far, and the time left by the pace so far", () => {
    const [line] = renderRunning(
      [{ name: "kernel", startedAt: 0, done: 250, total: 1000, note: "kernel/fork.o" }],
      30_000,
      120,
      plain,
    );
    expect(line).toContain("25 %");
    expect(line).toContain("1 min 30 s left");
    expect(line).toContain("kernel/fork.o");
  });

  it("promises nothing before there is a pace, nor the end before it is there", () => {
    const stages = [
      { name: "a", startedAt: 0, done: 1, total: 1000 },
      { name: "b", startedAt: 0, done: 2000, total: 1000 },
      { name: "c", startedAt: 0 },
    ];
    const [a, b, c] = renderRunning(stages, 60_000, 120, plain);
    expect(a).not.toContain("left");
    expect(b).toContain("99 %");
    expect(c).not.toContain("%");
  });

  it("never is wider than the terminal", () => {
    const stage = { name: "kernel", startedAt: 0, done: 500, total: 1000, note: "x".repeat(300) };
    for (const columns of [60, 80, 200]) {
      expect(renderRunning([stage], 30_000, columns, plain)[0]!.length).toBeLessThanOrEqual(columns);
    }
  });

  it.each([
    [400, "0.4 s"],
    [42_400, "42 s"],
    [60_000, "1 min 00 s"],
    [754_000, "12 min 34 s"],
  ])("%i ms is %s", (ms, text) => expect(duration(ms)).toBe(text));
});

describe("colours", () => {
  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: "1" }, false],
    [{ isTTY: true }, { TERM: "dumb" }, false],
    [{ isTTY: false }, {}, false],
    [{ isTTY: false }, { FORCE_COLOR: "1" }, true],
  ])("%j with %j: %s", (stream, environment, coloured) => {
    expect(mayColour(stream, environment)).toBe(coloured);
  });
});

describe("a guest's bytes on a person's terminal", () => {
  it("have no effect", () => {
    expect(harmless("a\u001b[2Jb\u0007\rc\td\u009b31m")).toBe("a\ufffd[2Jb\ufffd\ufffdc\td\ufffd31m");
  });
});
