/** This computer's programs: ended with all they started, found, installed. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ensurePackages, installCommand, missingNeeds } from "../../src/host/packages.ts";
import { toolEnvironment } from "../../src/host/process.ts";
import { Failure } from "../../src/outcome.ts";
import { inParallel, together } from "../../src/together.ts";
import { testContext } from "../support/context.ts";

function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("a long program", () => {
  it("is ended with its grandchildren when the run is cancelled, also one that ignores SIGTERM", async () => {
    await using context = await testContext();
    const program = context.run.start("sh", [
      "-c",
      "trap '' TERM; sh -c \"trap '' TERM; sleep 60\" & echo $!; wait",
    ]);
    const grandchild = await new Promise<number>((resolve) =>
      program.child.stdout.once("data", (data: Buffer) => resolve(Number(data.toString()))),
    );
    expect(alive(grandchild)).toBe(true);
    const started = performance.now();
    context.cancel.abort();
    await program.finished;
    await program.stop();
    expect(performance.now() - started).toBeLessThan(5000);
    for (let wait = 0; wait < 40 && alive(grandchild); wait++) await sleep(50);
    expect(alive(grandchild)).toBe(false);
  });

  it("gets an environment from an allow-list: no tokens, no inputs", async () => {
    const environment = toolEnvironment({
      PATH: "/bin",
      HOME: "/h",
      GITHUB_TOKEN: "t",
      ACTIONS_RUNTIME_TOKEN: "t",
      INPUT_KERNEL: "x",
      MAKEFLAGS: "-j9",
    });
    expect(Object.keys(environment).sort()).toEqual(["HOME", "LC_ALL", "PATH", "TZ"]);
    expect(environment.PATH).toMatch(/^\/bin:.*\/usr\/sbin/);
  });
});

describe("a short tool", () => {
  it("that is missing is named, kind world", async () => {
    await using context = await testContext();
    const error = await context.run.tool("no-such-program", []).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ failureClass: "missing-program", kind: "world" });
  });

  it("that fails gives its last words", async () => {
    await using context = await testContext();
    await expect(context.run.tool("ls", ["/no/such/thing"])).rejects.toThrow(
      /ls ended with exit code 2: .*No such file/,
    );
  });

  it("gets its arguments as they are, whatever they hold", async () => {
    await using context = await testContext();
    const args = ["a b", '"', "$(id)", "; echo x", "\\", ""];
    const { stdout } = await context.run.tool("printf", ["[%s]\\n", ...args]);
    expect(stdout).toBe(args.map((arg) => `[${arg}]\n`).join(""));
  });
});

describe("packages", () => {
  const need = { find: "no-such-program", package: "no-such-package", reason: "a test" };

  it("that may not be installed are named with the one command, kind world", async () => {
    await using context = await testContext();
    const error = await ensurePackages([need], false, context).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Failure);
    expect(error).toMatchObject({ failureClass: "missing-program", kind: "world" });
    expect((error as Failure).detail.join()).toContain(installCommand([need]));
  });

  it("that are there are not asked for", async () => {
    await using context = await testContext();
    const there = [
      { find: "sh", package: "dash", reason: "a test" },
      { find: ["/no/such/file", "/bin/sh"], package: "dash", reason: "a test" },
    ];
    expect(await missingNeeds([...there, need], context.run)).toEqual([need]);
  });
});

describe("work side by side", () => {
  it("is given up when one part fails, and that part's failure is the one that counts", async () => {
    await using context = await testContext();
    const started = performance.now();
    const work = together(context, [
      async (shared) => {
        const exit = await shared.run.lines("sleep", ["30"], { onLine: () => {} });
        return exit.code;
      },
      async () => {
        await sleep(100);
        throw new Failure("compile-failed", "the second part");
      },
    ]);
    await expect(work).rejects.toThrow("the second part");
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("keeps results in order, at most so many at a time", async () => {
    let running = 0;
    let most = 0;
    const results = await inParallel([30, 10, 20, 5], 2, async (ms) => {
      most = Math.max(most, ++running);
      await sleep(ms);
      running--;
      return ms;
    });
    expect(results).toEqual([30, 10, 20, 5]);
    expect(most).toBe(2);
  });
});
