import { expect, test } from "vitest";
import { Failure } from "../../../src/outcome.ts";
import { pins } from "../../../src/source/pins.ts";
import { parseSourceRequest } from "../../../src/source/source.ts";
import type { SourceName } from "../../../src/source/types.ts";

const hash = "a".repeat(64);

test.each<[SourceName, string, object]>([
  ["linux", "auto", { form: "auto" }],
  ["linux", "apt", { form: "apt" }],
  ["busybox", "apt:sid", { form: "apt", suite: "sid" }],
  ["linux", "apt:bookworm-security", { form: "apt", suite: "bookworm-security" }],
  ["linux", "6.13", { form: "release", version: "6.13" }],
  ["busybox", "1.37.0", { form: "release", version: "1.37.0" }],
  ["linux", ".", { form: "path", path: "." }],
  ["linux", "/src/linux", { form: "path", path: "/src/linux" }],
  ["linux", `./l.tar.xz#sha256=${hash.toUpperCase()}`, { form: "path", path: "./l.tar.xz", sha256: hash }],
])("%s %s is understood", (name, text, expected) => {
  expect(parseSourceRequest(name, text)).toStrictEqual({ name, text, ...expected });
});

test.each<[SourceName, string, RegExp]>([
  ["linux", "6.12.105", /did you mean 6\.12\.104/],
  ["busybox", "1.36.1", /did you mean 1\.3/],
  ["linux", "6.12.x", /did you mean/],
  ["linux", "atuo", /did you mean auto/],
  ["linux", "", /did you mean/],
  ["linux", "apt:", /no suite/],
  ["linux", "apt:-o=x", /no suite/],
  ["linux", "apt:sid\nURIs: http://evil", /no suite/],
  ["linux", "apt:../../etc", /no suite/],
  ["linux", "./l.tar.xz#sha256=abc", /not a SHA-256/],
])("%s %j is refused with the nearest valid value", (name, text, message) => {
  const refused = () => parseSourceRequest(name, text);
  expect(refused).toThrow(message);
  expect(refused).toThrow(Failure);
  try {
    refused();
  } catch (error) {
    expect((error as Failure).failureClass).toBe("bad-request");
    expect((error as Failure).detail.length).toBeGreaterThan(0);
  }
});

test("every pin is a SHA-256 of its own", () => {
  const hashes = Object.values(pins).flatMap((list) => list.map(({ sha256 }) => sha256));
  for (const sha256 of hashes) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes).size).toBe(hashes.length);
});
