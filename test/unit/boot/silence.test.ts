import { describe, expect, test } from "vitest";
import { limitsFor } from "../../../src/boot/limits.ts";
import { doingOf, inKernel, parseRegisters, SilenceClock } from "../../../src/boot/liveness.ts";
import { type Facts, shutdownFinding, silenceFinding } from "../../../src/boot/silence.ts";
import { Watch } from "../../../src/boot/watch.ts";

/** `info registers -a` of QEMU 7.2, shortened to the line that is read. */
const registers = (rip: string, flags: string, cpl: number, halted: number) =>
  `CPU#0\nRAX=0\nRIP=${rip} RFL=${flags} [---Z-P-] CPL=${cpl} II=0 A20=1 SMM=0 HLT=${halted}\nES =0000\n`;

describe("what the guest does", () => {
  test("the registers tell dead, idle, user and busy apart", () => {
    const doing = (text: string) => doingOf(parseRegisters(text));
    expect(doing(registers("ffffffff81000000", "00000046", 0, 1))).toBe("dead");
    expect(doing(registers("ffffffff81000000", "00000246", 0, 1))).toBe("idle");
    expect(doing(registers("0000000000401000", "00000246", 3, 0))).toBe("user");
    expect(doing(registers("ffffffff81000000", "00000246", 0, 0))).toBe("busy");
    expect(doing("EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0")).toBe("busy");
    expect(doing("nothing like it")).toBe("unknown");
  });

  test("a second processor that works keeps the machine alive", () => {
    const both =
      registers("ffffffff81000000", "00000046", 0, 1) + registers("ffffffff81000000", "00000246", 0, 0);
    expect(doingOf(parseRegisters(both))).toBe("busy");
  });

  test("an address in the upper half is the kernel's", () => {
    expect(inKernel(parseRegisters(registers("ffffffff81000000", "00000046", 0, 1)))).toBe(true);
    expect(inKernel(parseRegisters(registers("0000000001000000", "00000046", 0, 0)))).toBe(false);
  });
});

describe("the clock of silence", () => {
  test("a busy guest is silent in CPU time: a host that starves it changes nothing", () => {
    const clock = new SilenceClock();
    clock.reset(0, 0);
    for (let now = 1000; now <= 60_000; now += 1000) clock.add("busy", now, now / 60);
    expect(clock.busyMs).toBeCloseTo(1000);
    expect(clock.idleMs).toBe(0);
  });

  test("an idle guest is silent in wall time; a machine that slept counts a second", () => {
    const clock = new SilenceClock();
    clock.reset(0, 0);
    clock.add("idle", 500, 0);
    clock.add("idle", 3_600_500, 0);
    expect(clock.idleMs).toBe(1500);
  });

  test("dead counts only without a break", () => {
    const clock = new SilenceClock();
    clock.reset(0, 0);
    clock.add("dead", 500, 0);
    clock.add("busy", 600, 0);
    clock.add("dead", 900, 0);
    expect(clock.deadMs).toBe(300);
  });

  test("the echo of what is typed is no sign of life, what comes beyond it is", () => {
    let now = 0;
    const watch = new Watch(() => now);
    watch.push(Buffer.from("hello\n"));
    now = 5000;
    watch.expectEcho("\n");
    watch.push(Buffer.from("\r\n"));
    expect([watch.lastSpokeAt, watch.spoken]).toEqual([0, 6]);
    watch.push(Buffer.from("x".repeat(100)));
    expect(watch.lastSpokeAt).toBe(5000);
  });
});

const base: Facts = {
  path: "bios",
  reached: "first-byte",
  handedOver: false,
  bytes: 9,
  lastWords: "words",
  lastLine: 1,
};
const limits = limitsFor("tcg", {});
const long = { idleMs: 1e9, busyMs: 0, deadMs: 0 };

describe("four silences are four classes (CASES 21)", () => {
  test.each([
    [{ reached: "qemu-started", bytes: 0, lastWords: undefined }, "no-output"],
    [{ reached: "firmware" }, "firmware-only"],
    [{ reached: "boot-loader" }, "bootloader-failed"],
    [{ reached: "boot-loader", handedOver: true }, "kernel-silent"],
    [{ reached: "kernel", handedOver: true }, "no-prompt"],
    [{ reached: "init", handedOver: true }, "no-prompt"],
    [{ reached: "prompt", handedOver: true }, "probe-failed"],
  ] as [Partial<Facts>, string][])("%j is %s", (facts, failureClass) => {
    expect(silenceFinding({ ...base, ...facts }, long, limits)?.class).toBe(failureClass);
  });

  test("a guest that is halted for good is judged after a second, a working one is not", () => {
    const facts: Facts = { ...base, reached: "boot-loader", handedOver: true };
    expect(silenceFinding(facts, { idleMs: 1000, busyMs: 0, deadMs: 1000 }, limits)?.class).toBe(
      "kernel-silent",
    );
    expect(silenceFinding(facts, { idleMs: 1000, busyMs: 3000, deadMs: 0 }, limits)).toBeUndefined();
  });

  test("a shell that has answered may be silent for as long as it likes", () => {
    expect(silenceFinding({ ...base, reached: "probe", handedOver: true }, long, limits)).toBeUndefined();
  });

  test("`silence` stands for every limit on it", () => {
    const own = limitsFor("tcg", { silence: 2 });
    const facts: Facts = { ...base, reached: "kernel" };
    expect(silenceFinding(facts, { idleMs: 1900, busyMs: 0, deadMs: 0 }, own)).toBeUndefined();
    expect(silenceFinding(facts, { idleMs: 2000, busyMs: 0, deadMs: 0 }, own)?.class).toBe("no-prompt");
  });
});

describe("a guest that stops the machine (CASES 20)", () => {
  test.each([
    [{ reached: "init" }, "guest-reset", "unexpected-reboot"],
    [{ reached: "kernel" }, "guest-shutdown", "unexpected-reboot"],
    [{ reached: "boot-loader", handedOver: true }, "guest-reset", "kernel-silent"],
    [{ reached: "boot-loader" }, "guest-reset", "bootloader-failed"],
    [{ reached: "init" }, "guest-panic", "panic"],
    [{ reached: "probe", handedOver: true }, "guest-reset", "unexpected-reboot"],
  ] as [Partial<Facts>, string, string][])("%j, %s is %s", (facts, reason, failureClass) => {
    expect(shutdownFinding({ ...base, ...facts }, reason).class).toBe(failureClass);
  });
});
