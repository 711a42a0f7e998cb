/**
 * The guest's console as it comes: bytes into a file, and lines for those who judge. Everything here is bounded: a
 * guest may send a gigabyte without a newline, NULs, bad UTF-8 and escape sequences (CASES 25).
 */
import { createWriteStream, type WriteStream } from "node:fs";
import type { Readable } from "node:stream";

/** A line of the console, cleaned for reading. `number` counts from 1 as an editor does in the raw log. */
export interface ConsoleLine {
  readonly number: number;
  readonly text: string;
}

/** A line that is longer than this is cut in pieces with the same number. */
export const maximumLine = 4096;

// CSI, OSC (ended by BEL or ST), and two-character sequences, as in ECMA-48 and xterm's.
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
/** An escape sequence that has begun and not ended. */
const openEscape = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*|[ -/]*)$/;
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const needsCleaning = /[\x00-\x08\x0b-\x1f\x7f]/;

/** Text without escape sequences and control characters; tabs and newlines stay. */
export function cleaned(text: string): string {
  if (!needsCleaning.test(text)) return text;
  return text.replace(escapes, "").replace(controls, "");
}

/** Cuts a byte stream into lines. Values in, values out; remembers only the unfinished line. */
export class LineReader {
  #decoder = new TextDecoder("utf-8");
  #pending = "";
  #number = 1;

  /** The lines that `chunk` finished. A lone carriage return (a line drawn over) also divides. */
  push(chunk: Uint8Array): ConsoleLine[] {
    this.#pending += this.#decoder.decode(chunk, { stream: true });
    const lines: ConsoleLine[] = [];
    let start = 0;
    for (;;) {
      const end = this.#pending.indexOf("\n", start);
      if (end < 0) break;
      this.#emit(this.#pending.slice(start, end), lines);
      this.#number++;
      start = end + 1;
    }
    if (start > 0) this.#pending = this.#pending.slice(start);
    if (this.#pending.length > maximumLine) {
      const keep = this.#pending.length % maximumLine;
      const cut = this.#pending.length - keep;
      this.#emit(this.#pending.slice(0, cut), lines);
      this.#pending = this.#pending.slice(cut);
    }
    return lines;
  }

  /** The unfinished line, cleaned: where a prompt stands. */
  get partial(): string {
    const text = cleaned(this.#pending.replace(openEscape, ""));
    return text.slice(text.lastIndexOf("\r", text.length - 2) + 1).replaceAll("\r", "");
  }

  /** The number of the unfinished line. */
  get number(): number {
    return this.#number;
  }

  #emit(raw: string, into: ConsoleLine[]): void {
    for (let at = 0; at === 0 || at < raw.length; at += maximumLine) {
      const text = cleaned(raw.slice(at, at + maximumLine));
      if (!text.includes("\r")) {
        into.push({ number: this.#number, text });
        continue;
      }
      const pieces = text.split("\r").filter((piece) => piece !== "");
      for (const piece of pieces.length ? pieces : [""]) into.push({ number: this.#number, text: piece });
    }
  }
}

/** The last lines of a console, for excerpts and for a prompt torn apart. */
export class Recent {
  readonly #lines: ConsoleLine[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  add(line: ConsoleLine): void {
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#size) this.#lines.splice(0, this.#lines.length - this.#size);
  }

  /** The last `count` lines, oldest first. */
  last(count: number): readonly ConsoleLine[] {
    return this.#lines.slice(-Math.min(count, this.#size));
  }

  /** The lines from one number to another that are still remembered. */
  between(first: number, last: number): readonly ConsoleLine[] {
    return this.#lines.filter((line) => line.number >= first && line.number <= last);
  }
}

/**
 * Writes a stream to a file byte by byte and shows each chunk to `onChunk`. When the disk is slower than the guest,
 * the guest waits: no more than a stream's buffer is ever held.
 */
export class RawLog {
  readonly path: string;
  bytes = 0;
  /** The disk's error, when there was one; the rest of the console is then not kept. */
  error: Error | undefined;
  readonly #file: WriteStream;
  #ended: Promise<void> | undefined;

  constructor(path: string) {
    this.path = path;
    this.#file = createWriteStream(path, { highWaterMark: 1 << 20 });
    this.#file.on("error", (error) => {
      this.error ??= error;
    });
  }

  /** Reads `from` until it ends. */
  attach(from: Readable, onChunk: (chunk: Buffer) => void): void {
    from.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      if (!this.error && !this.#file.write(chunk)) {
        from.pause();
        const resume = () => from.resume();
        this.#file.once("drain", resume);
        this.#file.once("close", resume);
      }
      onChunk(chunk);
    });
    from.on("error", () => {});
  }

  /** Resolves when every byte is in the file (or the disk failed: see `error`). */
  close(): Promise<void> {
    this.#ended ??= new Promise((resolve) => {
      if (this.#file.closed || this.#file.destroyed) resolve();
      this.#file.once("close", resolve);
      this.#file.end();
    });
    return this.#ended;
  }
}
