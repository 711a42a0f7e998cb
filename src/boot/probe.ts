/**
 * Proof that a shell stands behind a prompt: a line whose echo differs from what it prints. The terminal echoes
 * `echo BOOT"GATE-…-$((a*b))…`; only a shell that ran it prints `BOOTGATE-…-product-tainted-OK`.
 * Messages of the kernel may fall into the prompt and into the answer at any place (CASES 22, 23).
 */
import { kernelText, withoutKernel } from "./printk.ts";

/** What programs wrote on the console, without the kernel's lines; the last few thousand characters of it. */
export class Said {
  #text = "";

  line(text: string): void {
    const kernel = kernelText(text);
    this.#text += kernel ? kernel.before : `${text}\n`;
    if (this.#text.length > 32_768) this.#text = this.#text.slice(-8192);
  }

  /** With the unfinished line; of that, too, only what is not the kernel's. */
  with(partial: string): string {
    return this.#text + withoutKernel(partial);
  }

  /** Forgets what was said so far. */
  clear(): void {
    this.#text = "";
  }
}

/** A shell's usual prompt, at the end of the line: `~ # `, `root@host:/$ `, a bare `# `. */
export const defaultPrompt = /(?:^|[\w~/\])>:@ -])[#$] $/;

/** True when a prompt stands at the end of what programs wrote. */
export function promptStands(said: string, prompt: RegExp = defaultPrompt): boolean {
  const line = said.slice(said.lastIndexOf("\n") + 1);
  return line.length <= 400 && prompt.test(line);
}

/** A question for somebody's name or password: typing a probe there would be a failed login. */
export const loginPrompt = /[^\n]*(?:\blogin|[Pp]assword): ?$/;

export interface Answer {
  /** /proc/sys/kernel/tainted; undefined when it can't be read. */
  readonly tainted: number | undefined;
}

/** One probe: what to send, and how its answer looks. */
export class Probe {
  readonly sent: string;
  readonly #answer: RegExp;

  /** @param nonce letters and digits; another one each boot, so that a recorded answer proves nothing */
  constructor(nonce: string, factors: readonly [number, number]) {
    const [a, b] = factors;
    // By cat: a shell's own `read` takes single bytes, and /proc/sys gives no second one. What cat complains of when it
    // can't is part of the answer, since there may be no /dev/null.
    this.sent = `echo "BOOT""GATE-${nonce}-$((${a} * ${b}))-$(cat /proc/sys/kernel/tainted 2>&1)-OK"\n`;
    this.#answer = new RegExp(`BOOTGATE-${nonce}-${a * b}-(.{0,200}?)-OK`);
  }

  /** The answer in what programs wrote, if it is there. */
  answerIn(said: string): Answer | undefined {
    const match = this.#answer.exec(said.replaceAll("\n", ""));
    if (!match) return undefined;
    return { tainted: /^\d+$/.test(match[1]!) ? Number(match[1]) : undefined };
  }
}

/** When to send: after a prompt at once; again after 2, 3, 4 … s; never so fast that a slow guest drowns. */
export class Schedule {
  #sent = 0;
  #next = 0;

  /** True when it is time to send (again). `now` in milliseconds. */
  due(now: number): boolean {
    if (now < this.#next) return false;
    this.#next = now + (2 + this.#sent) * 1000;
    this.#sent++;
    return true;
  }

  get count(): number {
    return this.#sent;
  }
}
