/**
 * The forms that an input's text can take, each a valibot schema whose message says what was expected. No program is
 * ever started through a shell, yet text that only makes sense to one is refused: it is a mistake or an attack.
 */
import { parseArgsStringToArgv } from "string-argv";
import * as v from "valibot";
import { nearest } from "../nearest.ts";

/** One of a table's keys; the message offers the nearest. */
export function choice<const Values extends readonly string[]>(values: Values) {
  return v.picklist(values, (issue) => {
    const near = nearest(String(issue.input), values);
    return `${JSON.stringify(issue.input)} is not one of ${values.join(", ")}${near ? `; did you mean ${near}?` : ""}`;
  });
}

const hostile = /[\u0000-\u001f\u007f]|\$\(|`|;/;

/** Free text on one line. */
export const text = v.pipe(
  v.string(),
  v.check(
    (value) => !hostile.test(value),
    (issue) => `${JSON.stringify(issue.input)} holds a control character, a newline, ";", "\`" or "$("`,
  ),
);

const noLeadingDash = v.check<string, (issue: v.CheckIssue<string>) => string>(
  (value) => !value.startsWith("-"),
  (issue) => `${JSON.stringify(issue.input)} begins with "-": write ./${issue.input} if it is a file`,
);

const notEmpty = v.check<string, string>((value) => value !== "", "is empty");

/** A file, a folder, or a name that stands for one. */
export const path = v.pipe(text, notEmpty, noLeadingDash);

/** An identifier: letters, digits and `._+,-`. */
export const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._+,=-]*$/, (issue) => `${JSON.stringify(issue.input)} is not a plain name`),
);

/** Text that may hold newlines (inline Kconfig lines), but no other control characters. */
export const lines = v.pipe(
  v.string(),
  notEmpty,
  v.check(
    (value) => !hostile.test(value.replaceAll("\n", " ")),
    (issue) => `${JSON.stringify(issue.input)} holds a control character, ";", "\`" or "$("`,
  ),
  noLeadingDash,
);

/** A list: one item for each time the flag was given. */
export function list<const Item extends v.GenericSchema<string, unknown>>(item: Item) {
  return v.array(item);
}

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** "64M" → bytes. */
export const bytes = v.pipe(
  v.string(),
  v.regex(
    /^[1-9]\d{0,11}[KMG]?$/i,
    (issue) => `${JSON.stringify(issue.input)} is not a size such as 512M or 1G`,
  ),
  v.transform((value) => {
    const unit = /[KMG]$/i.exec(value)?.[0].toUpperCase() ?? "";
    return Number.parseInt(value, 10) * (units[unit] ?? 1);
  }),
);

/** "2.5" → 2.5; at most a day, and 0 too. */
export const pause = v.pipe(
  v.string(),
  v.regex(/^\d+(\.\d+)?$/, (issue) => `${JSON.stringify(issue.input)} is not a number of seconds`),
  v.transform(Number),
  v.maxValue(86_400, "is more than a day (86400)"),
);

/** A limit: a pause that is not nothing. */
export const seconds = v.pipe(pause, v.minValue(1, "is less than a second"));

/** A whole number within bounds. */
export function whole(least: number, most: number) {
  return v.pipe(
    v.string(),
    v.regex(/^\d{1,9}$/, (issue) => `${JSON.stringify(issue.input)} is not a whole number`),
    v.transform(Number),
    v.minValue(least, `is less than ${least}`),
    v.maxValue(most, `is more than ${most}`),
  );
}

/** "true" or "false". */
export const flag = v.pipe(
  choice(["true", "false"]),
  v.transform((value) => value === "true"),
);

/** A regular expression's source; kept as text so that the spec stays JSON. */
export const pattern = v.pipe(
  v.string(),
  v.check(
    (value) => {
      try {
        return !new RegExp(value, "u").test("");
      } catch {
        return false;
      }
    },
    (issue) => `${JSON.stringify(issue.input)} is not a regular expression, or matches the empty string`,
  ),
);

/** A size within bounds, bytes. */
export function size(least: number, most: number) {
  return v.pipe(
    bytes,
    v.minValue(least, `is less than ${least / 2 ** 20}M`),
    v.maxValue(most, `is more than ${most / 2 ** 30}G`),
  );
}

/** One text of QEMU arguments → words, quotes honoured. */
export const words = v.pipe(
  text,
  v.check(
    (value) => !/["']/.test(value.replace(/"[^"]*"|'[^']*'/g, "")),
    (issue) => `${JSON.stringify(issue.input)} has a quote that is not closed`,
  ),
  v.transform((value) => parseArgsStringToArgv(value)),
);
