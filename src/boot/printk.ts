/**
 * The form of the kernel's own lines. `[    1.234567] text` with PRINTK_TIME, `[    1.234567][    T1] text` with
 * PRINTK_CALLER, `<3>` before it where a console shows levels. A line of the kernel may begin in the middle of a console
 * line: behind a prompt, or behind what a program had printed so far.
 */

const stamp = /(?:<\d{1,3}>)?\[ *\d{1,7}\.\d{6}\](?:\[ *[TC]\d+\])? ?/;
const stampAtStart = new RegExp(`^${stamp.source}`);

/** True when a line begins with the kernel's time stamp. */
export function isStamped(line: string): boolean {
  return stampAtStart.test(line);
}

export interface KernelText {
  /** What stands before the stamp: a prompt, or the beginning of a program's line; else empty. */
  readonly before: string;
  readonly text: string;
}

/** The kernel's text in a line with a stamp anywhere; undefined when there is none. */
export function kernelText(line: string): KernelText | undefined {
  const match = stamp.exec(line);
  if (!match) return undefined;
  return { before: line.slice(0, match.index), text: line.slice(match.index + match[0].length) };
}

const stampedRest = new RegExp(`${stamp.source}[^\\n]*(?:\\n|$)`, "g");

/** Console text with everything the kernel said taken out, so that what a program wrote closes up again. */
export function withoutKernel(text: string): string {
  return text.replace(stampedRest, "");
}
