/**
 * The real package archive, through a private apt that changes nothing on the machine. With BOOTGATE_TEST_CACHE set the
 * downloads are kept there between runs.
 */
import { readdirSync, statSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { Context } from "../../src/context.ts";
import { sha256OfFile } from "../../src/host/files.ts";
import { createRunner, toolEnvironment } from "../../src/host/process.ts";
import type { Failure } from "../../src/outcome.ts";
import { pinOf } from "../../src/source/pins.ts";
import { obtainSource, parseSourceRequest } from "../../src/source/source.ts";
import type { SourceName } from "../../src/source/types.ts";
import { type TestContext, testContext } from "../support/context.ts";

const log = { output: () => {}, progress: () => {} };
/** Nobody listens on port 1. */
const nowhere = ["http://127.0.0.1:1/"];
const policy = { distributionFallback: true, mirrors: { linux: nowhere, busybox: nowhere } };
const limit = 300_000;

let shared: TestContext;
let cache: string;
beforeAll(async () => {
  shared = await testContext();
  cache = process.env.BOOTGATE_TEST_CACHE ?? shared.folders.cache;
  return () => shared[Symbol.asyncDispose]();
});

let context: Context & { readonly said: string[] };
beforeEach(async () => {
  const own = await testContext();
  context = { ...own, folders: { ...own.folders, cache } };
  return () => own[Symbol.asyncDispose]();
});

const obtain = (name: SourceName, text: string, where: Context = context, how = policy) =>
  obtainSource(parseSourceRequest(name, text), how, where, log);

/** The same context, with an apt that reaches nobody. */
const offline = () => ({
  ...context,
  run: createRunner(
    { ...toolEnvironment(process.env), http_proxy: nowhere[0]!, https_proxy: nowhere[0]! },
    context.signal,
  ),
});

const machineFolders = ["/etc/apt", "/var/lib/apt", "/var/cache/apt"];

function fingerprint(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${path} ${statSync(path, { throwIfNoEntry: false })?.mtimeMs}`;
  });
}

test(
  "auto takes the distribution's kernel when no upstream can be reached, says so, and leaves the machine's apt alone",
  async () => {
    const before = machineFolders.map(fingerprint);
    const source = await obtain("linux", "auto");
    expect(machineFolders.map(fingerprint)).toEqual(before);
    expect(source.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(source.origin).toMatch(/package linux-source-\d.*no upstream of linux 6\.18\.55/);
    expect(source.verifiedBy).toMatch(/signature/);
    expect(source.form).toBe("auto");
    expect(context.said.join("\n")).toMatch(/no upstream of linux 6\.18\.55 can be reached: using linux/);
    // Warm: nobody is asked, the archive is hashed again, and it is quick.
    const began = performance.now();
    const again = await obtain("linux", "auto", offline());
    expect(again.sha256).toBe(source.sha256);
    expect(performance.now() - began).toBeLessThan(5000);
  },
  limit,
);

test(
  "auto takes BusyBox's pinned release from the package archive",
  async () => {
    const source = await obtain("busybox", "auto");
    const pin = pinOf("busybox", source.version);
    if (pin) expect(source.sha256).toBe(pin.sha256);
    const into = join(shared.root, "busybox");
    await mkdir(into, { recursive: true });
    await source.unpack(into, log);
    expect(await readFile(join(into, "Makefile"), "utf8")).toMatch(/^VERSION = 1$/m);
    await rm(into, { recursive: true });
  },
  limit,
);

test(
  "what the archive answered is kept: asked again after a day, used when it can't be, never with flipped bytes",
  async () => {
    const own = {
      ...context,
      folders: { ...context.folders, cache: join(context.folders.temporary, "cache") },
    };
    const before = machineFolders.map(fingerprint);
    const source = await obtain("busybox", "apt", own);
    expect(machineFolders.map(fingerprint)).toEqual(before);

    const folder = join(own.folders.cache, "sources");
    const path = join(folder, readdirSync(folder)[0]!);
    const answer = JSON.parse(await readFile(path, "utf8"));
    const twoDaysAgo = Date.now() - 2 * 86_400_000;
    await writeFile(path, JSON.stringify({ ...answer, at: twoDaysAgo }));
    const dark = { ...offline(), folders: own.folders };
    expect((await obtain("busybox", "apt", dark)).sha256).toBe(source.sha256);
    expect(context.said.join("\n")).toMatch(
      /package archive can't be reached; using busybox .* as fetched on/,
    );
    expect((await obtain("busybox", "apt", own)).sha256).toBe(source.sha256);
    expect(JSON.parse(await readFile(path, "utf8")).at).toBeGreaterThan(twoDaysAgo);

    const archive = join(own.folders.cache, "downloads", source.sha256);
    await writeFile(archive, "flipped");
    expect((await obtain("busybox", "apt", own)).sha256).toBe(source.sha256);
    expect(await sha256OfFile(archive)).toBe(source.sha256);
    expect(context.said.join("\n")).toMatch(/damaged and is fetched again/);
  },
  limit,
);

test("without the fallback an unreachable upstream is an error that lists every attempt", async () => {
  const empty = {
    ...context,
    folders: { ...context.folders, cache: join(context.folders.temporary, "empty") },
  };
  const failure: Failure = await obtain("linux", "auto", empty, {
    ...policy,
    distributionFallback: false,
  }).then(
    () => expect.unreachable(),
    (error) => error,
  );
  expect(failure.failureClass).toBe("source-unreachable");
  expect(failure.detail).toEqual([
    expect.stringContaining("http://127.0.0.1:1/v6.x/linux-6.18.55.tar.xz: connection refused"),
  ]);
});

test(
  "with neither network nor cache the error lists both",
  async () => {
    const dark = offline();
    const empty = { ...dark, folders: { ...dark.folders, cache: join(dark.folders.temporary, "empty") } };
    const failure: Failure = await obtain("busybox", "auto", empty).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(failure.failureClass).toBe("source-unreachable");
    expect(failure.detail.join("\n")).toMatch(/connection refused[\s\S]*apt:?/);
  },
  limit,
);

const debian = await readFile("/etc/os-release", "utf8").then((text) => /^ID=debian$/m.test(text));

test.skipIf(!debian)(
  "apt:bookworm is exactly that suite's kernel: 6.1",
  async () => {
    const source = await obtain("linux", "apt:bookworm");
    expect(source.version).toMatch(/^6\.1\.\d+$/);
    expect(source.origin).toMatch(/linux-source-6\.1 .*\(bookworm\)/);
  },
  limit,
);

test.skipIf(!debian)(
  "a suite that does not exist is a mistake in the request",
  async () => {
    await expect(obtain("linux", "apt:nosuch")).rejects.toMatchObject({ failureClass: "bad-request" });
  },
  limit,
);
