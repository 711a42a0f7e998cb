import { describe, expect, test } from "vitest";
import { LineReader, maximumLine } from "../../../src/boot/console.ts";
import { kernelText, withoutKernel } from "../../../src/boot/printk.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

function texts(...chunks: (string | Buffer)[]): { lines: string[]; partial: string; number: number } {
  const reader = new LineReader();
  const lines = chunks.flatMap((chunk) => reader.push(typeof chunk === "string" ? bytes(chunk) : chunk));
  return { lines: lines.map((line) => line.text), partial: reader.partial, number: reader.number };
}

describe("the console's lines", () => {
  test("a line split over reads is one line, and numbers count newlines", () => {
    expect(texts("Linux ver", "sion 6.12\r", "\nnext")).toEqual({
      lines: ["Linux version 6.12"],
      partial: "next",
      number: 2,
    });
  });

  test("colours, titles, cursor movements and NULs are taken out, also when split", () => {
    expect(texts("\x1b[1;3", "2mroot\x1b[0m\x1b]0;title\x07 #\x00 ").partial).toBe("root # ");
    expect(texts("\x1b[2J\x1b[01;01HBdsDxe: x\r\n").lines).toEqual(["BdsDxe: x"]);
    expect(texts("~ # \x1b[").partial).toBe("~ # ");
  });

  test("a line drawn over by carriage returns shows each of its drawings", () => {
    expect(texts("50%\r100%\r\n").lines).toEqual(["50%", "100%"]);
    expect(texts("old\r~ # ").partial).toBe("~ # ");
  });

  test("bad UTF-8 does no harm, and good UTF-8 may be split", () => {
    expect(texts(Buffer.from([0xff, 0xfe, 0x41, 0x0a])).lines).toEqual(["\ufffd\ufffdA"]);
    expect(texts(Buffer.from([0xc3]), Buffer.from([0xa9, 0x0a])).lines).toEqual(["é"]);
  });

  test("a flood without a newline is cut in pieces and never held", () => {
    const reader = new LineReader();
    const chunk = Buffer.alloc(1 << 16, "x");
    let pieces = 0;
    for (let n = 0; n < 512; n++) {
      for (const line of reader.push(chunk)) {
        pieces++;
        expect(line.text.length).toBeLessThanOrEqual(maximumLine);
      }
      expect(reader.partial.length).toBeLessThanOrEqual(maximumLine);
    }
    expect(pieces).toBe((512 * (1 << 16)) / maximumLine);
  });
});

describe("the kernel's own lines", () => {
  test("a stamp is found at the start, with caller and level, and behind a prompt", () => {
    expect(kernelText("[    1.234567] hello")).toEqual({ before: "", text: "hello" });
    expect(kernelText("<4>[    1.234567][    T1] hello")).toEqual({ before: "", text: "hello" });
    expect(kernelText("~ # [    1.513626] tsc: x")).toEqual({ before: "~ # ", text: "tsc: x" });
    expect(kernelText("no kernel [1] here")).toBeUndefined();
  });

  test("what a program wrote closes up when the kernel is taken out", () => {
    expect(withoutKernel("BOOT[    1.234567] x\nGATE")).toBe("BOOTGATE");
  });
});
