import { describe, expect, test } from "vitest";
import { LineReader } from "../../../src/boot/console.ts";
import { loginPrompt, Probe, promptStands, Said, Schedule } from "../../../src/boot/probe.ts";

/** What programs said after these bytes came, in these pieces. */
function said(...chunks: string[]): string {
  const reader = new LineReader();
  const programs = new Said();
  for (const chunk of chunks) for (const line of reader.push(Buffer.from(chunk))) programs.line(line.text);
  return programs.with(reader.partial);
}

describe("the prompt (CASES 22)", () => {
  test.each([
    ["BusyBox's", ["~ # "]],
    ["bare", ["# "]],
    ["a user's", ["user@host:~$ "]],
    ["split over reads", ["~", " #", " "]],
    ["coloured", ["\x1b[1;32mroot@\x1b[0mbox\x1b[31m # \x1b[0m"]],
    [
      "followed by a message of the kernel",
      ["~ # [    1.513626] tsc: refined\r\n[    1.6] x\r\n".replace("1.6]", "1.600000]")],
    ],
    ["followed by half a message", ["~ # [    1.513626] tsc: ref"]],
    ["torn apart by a message", ["~ [    1.513626] tsc: refined\r\n# "]],
    ["drawn again on its line", ["garbage\r~ # "]],
  ])("%s is seen", (_name, chunks) => {
    expect(promptStands(said(...chunks))).toBe(true);
  });

  test.each([
    ["a kernel's line", "[    1.000000] foo # \r\n"],
    ["a number sign in words", "issue #"],
    ["what was typed behind the prompt", "~ # ls"],
    ["UEFI's shell", "Shell> "],
    ["a login", "host login: "],
  ])("%s is none", (_name, text) => {
    expect(promptStands(said(text))).toBe(false);
  });

  test("a login prompt is known as one", () => {
    expect(loginPrompt.test(said("(none) login: [    2.193631] tsc: x\r\n"))).toBe(true);
    expect(loginPrompt.test("last login: today\n")).toBe(false);
  });

  test("a pattern of the request's own", () => {
    expect(promptStands("odd> ", /odd> $/)).toBe(true);
  });
});

describe("the probe (CASES 23)", () => {
  const probe = new Probe("c0ffee", [123, 456]);

  test("its echo, whole or wrapped at a column, is no answer", () => {
    expect(probe.answerIn(said(`~ # ${probe.sent}`))).toBeUndefined();
    for (let at = 1; at < probe.sent.length; at++) {
      expect(probe.answerIn(`${probe.sent.slice(0, at)}\n${probe.sent.slice(at)}`)).toBeUndefined();
    }
    expect(probe.answerIn(probe.sent.replaceAll('"', ""))).toBeUndefined();
  });

  test("the answer is read with the kernel's taint, or without where it can't be read", () => {
    expect(probe.answerIn(said("BOOTGATE-c0ffee-56088-512-OK\r\n~ # "))).toEqual({ tainted: 512 });
    const without = said(
      "BOOTGATE-c0ffee-56088-cat: can't open '/proc/sys/kernel/tainted': No such file-OK\r\n",
    );
    expect(probe.answerIn(without)).toEqual({ tainted: undefined });
  });

  test("a message of the kernel may fall into the answer at any place", () => {
    const answer = "BOOTGATE-c0ffee-56088-0-OK";
    for (let at = 1; at < answer.length; at++) {
      const torn = `${answer.slice(0, at)}[   12.345678] something happened\r\n${answer.slice(at)}\r\n`;
      expect(probe.answerIn(said(torn))).toEqual({ tainted: 0 });
    }
  });

  test("an answer of another boot, or with another product, proves nothing", () => {
    expect(probe.answerIn("BOOTGATE-000000-56088-0-OK")).toBeUndefined();
    expect(probe.answerIn("BOOTGATE-c0ffee-56089-0-OK")).toBeUndefined();
  });

  test("it is sent again with growing patience", () => {
    const schedule = new Schedule();
    const times = Array.from({ length: 120 }, (_, n) => n * 100).filter((now) => schedule.due(now));
    expect(times).toEqual([0, 2000, 5000, 9000]);
  });
});
