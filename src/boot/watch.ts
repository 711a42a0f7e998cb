/** All that is read off the console of one boot: lines, states, crashes, what programs said. Synchronous and bounded. */
import { type ConsoleLine, LineReader, Recent } from "./console.ts";
import { CrashWatch } from "./crash.ts";
import { Said } from "./probe.ts";
import { handedOver, statesOf, Timeline } from "./timeline.ts";
import { lastWords } from "./verdict.ts";

export class Watch {
  readonly timeline = new Timeline();
  readonly crashes = new CrashWatch();
  readonly said = new Said();
  readonly recent = new Recent(400);
  readonly #reader = new LineReader();
  readonly #now: () => number;
  /** The kernel's code was entered. */
  handedOver = false;
  bytes = 0;
  /** When something last came that was not an echo, in the clock's milliseconds. */
  lastSpokeAt: number;
  /** Bytes that were not an echo. */
  spoken = 0;
  #echo = 0;
  /** While set, it sees each line first; true when the line is not to be judged: the guest repeats old ones (dmesg). */
  divert: ((line: ConsoleLine) => boolean) | undefined;

  /** @param now milliseconds since QEMU was spawned */
  constructor(now: () => number) {
    this.#now = now;
    this.lastSpokeAt = now();
  }

  /**
   * Something is being typed: the terminal will send it back, which is no sign of life. A program that echoes nothing
   * is owed as many bytes, no more: a guest that speaks is soon heard.
   */
  expectEcho(text: string): void {
    this.#echo = 2 * text.length + 16;
  }

  push(chunk: Uint8Array): void {
    const now = this.#now();
    if (this.bytes === 0) this.timeline.reach("first-byte", now);
    this.bytes += chunk.length;
    const echoed = Math.min(chunk.length, this.#echo);
    this.#echo -= echoed;
    if (chunk.length > echoed) {
      this.spoken += chunk.length - echoed;
      this.lastSpokeAt = now;
    }
    for (const line of this.#reader.push(chunk)) this.#line(line, now);
  }

  #line(line: ConsoleLine, now: number): void {
    this.recent.add(line);
    this.said.line(line.text);
    if (this.divert?.(line)) return;
    this.#judge(line, now);
  }

  #judge(line: ConsoleLine, now: number): void {
    for (const state of statesOf(line.text)) this.timeline.reach(state, now);
    if (!this.handedOver) {
      this.handedOver = this.timeline.has("kernel") || handedOver.some((sign) => sign.test(line.text));
    }
    this.crashes.line(line, this.timeline.reached);
  }

  /**
   * Judges the unfinished line too, while the kernel has not spoken: a boot loader's menu or prompt ends without a
   * newline. For a console that has gone quiet.
   */
  considerPartial(): void {
    const { partial } = this;
    if (partial.text !== "" && !this.timeline.has("kernel")) this.#judge(partial, this.#now());
  }

  /** The unfinished line. */
  get partial(): ConsoleLine {
    return { number: this.#reader.number, text: this.#reader.partial };
  }

  /** What programs said, with the unfinished line. */
  get text(): string {
    return this.said.with(this.#reader.partial);
  }

  get lastWords(): string | undefined {
    return lastWords(this.recent.last(50), this.#reader.partial);
  }

  /** Lines of a report with a little before it; the console's tail when no line is named. */
  excerpt(from: number, to: number): readonly ConsoleLine[] {
    const partial = this.partial;
    const all = [...this.recent.last(400), ...(partial.text === "" ? [] : [partial])];
    if (from === 0) return all.slice(-20);
    const chosen = all.filter((line) => line.number >= from - 3 && line.number <= to);
    return chosen.length > 60 ? [...chosen.slice(0, 40), ...chosen.slice(-20)] : chosen;
  }
}
