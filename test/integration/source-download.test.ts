/** Downloads against a real web server on its bad days (CASES 1-7, 13-15). */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { type DownloadLimits, download } from "../../src/host/download.ts";
import { sha256Of } from "../../src/host/files.ts";
import type { Failure } from "../../src/outcome.ts";
import { type TestContext, testContext } from "../support/context.ts";
import {
  answer,
  type Behaviour,
  crawl,
  cut,
  endless,
  good,
  inTurn,
  stall,
  webServer,
  withoutRanges,
} from "../support/web-server.ts";

const body = randomBytes(300_000);
const sha256 = sha256Of(body);
const quick: Partial<DownloadLimits> = {
  connectMs: 1000,
  stallMs: 300,
  totalMs: 10_000,
  minimumRate: 1000,
  rateWindowMs: 500,
  backOffMs: 10,
  retryAfterMs: 1500,
};
const log = { output: () => {}, progress: () => {} };

let context: TestContext;
beforeEach(async () => {
  context = await testContext();
  return () => context[Symbol.asyncDispose]();
});

/** Downloads from the mirrors /0, /1 … with these behaviours; gives the server's requests, the file and what was thrown. */
async function fetchFrom(
  behaviours: readonly Behaviour[],
  limits: Partial<DownloadLimits> = {},
  maxBytes = 1 << 20,
) {
  const paths = behaviours.map((_, index) => `/${index}`);
  await using server = await webServer(
    Object.fromEntries(paths.map((path, index) => [path, behaviours[index]!])),
  );
  const into = join(context.folders.cache, "file");
  const urls = paths.map((path) => server.base + path.slice(1));
  const began = performance.now();
  const outcome = await download(
    { what: "the file", urls, sha256, maxBytes, into, limits: { ...quick, ...limits } },
    context,
    log,
  ).then(
    (result) => ({ result, failure: undefined }),
    (failure: Failure) => ({ result: undefined, failure }),
  );
  return { ...outcome, requests: server.requests, ms: performance.now() - began, into };
}
const filesLeft = () => readdirSync(context.folders.cache);

describe("a mirror that fails", () => {
  test("cut short: resumed from where it broke, at the same mirror", async () => {
    const { result, requests, into } = await fetchFrom([inTurn(cut(body, 100_000), good(body))]);
    expect(result?.attempts[0]).toMatch(/cut short|connection broke/);
    expect(requests[1]).toMatch(/^\/0 bytes=[1-9]\d*-$/);
    expect(sha256Of(readFileSync(into))).toBe(sha256);
    expect(filesLeft()).toEqual(["file"]);
  });

  test("cut short, again and again: what it gave is kept for the next mirror", async () => {
    const { result, requests } = await fetchFrom([cut(body, 20_000), good(body)]);
    expect(requests.filter((request) => request.startsWith("/0"))).toHaveLength(3);
    expect(requests.at(-1)).toMatch(/^\/1 bytes=/);
    expect(result?.attempts).toHaveLength(3);
  });

  test("a server without ranges: from the beginning", async () => {
    const { result } = await fetchFrom([inTurn(cut(body, 100_000), withoutRanges(body))]);
    expect(result).toBeDefined();
  });

  test("404, then 503, then a good one: falls back and lists every attempt", async () => {
    const { result, requests } = await fetchFrom([answer(404), answer(503), good(body)]);
    expect(requests).toEqual(["/0", "/1", "/1", "/1", "/2"]);
    expect(result?.attempts).toHaveLength(4);
    expect(result?.attempts[0]).toMatch(/\/0: HTTP status 404/);
  });

  test("429 with a Retry-After is waited for", async () => {
    const { result, ms } = await fetchFrom([inTurn(answer(429, { "retry-after": "1" }), good(body))]);
    expect(result).toBeDefined();
    expect(ms).toBeGreaterThan(950);
  });

  test("429 with an endless Retry-After is not", async () => {
    const { result, ms, requests } = await fetchFrom([answer(429, { "retry-after": "3600" }), good(body)]);
    expect(result).toBeDefined();
    expect(requests).toEqual(["/0", "/1"]);
    expect(ms).toBeLessThan(900);
  });

  test("stalled: left after the stall timeout", async () => {
    const { result } = await fetchFrom([stall(body, 1000), good(body)]);
    expect(result?.attempts.every((line) => /stalled: no byte for 0.3 s/.test(line))).toBe(true);
  });

  test("crawling: left though bytes keep coming", async () => {
    const { result } = await fetchFrom([crawl(body, 50), good(body)]);
    expect(result?.attempts[0]).toMatch(/too slow/);
  });

  test("the total time is a limit of its own", async () => {
    const { failure, ms } = await fetchFrom([crawl(body, 50), good(body)], {
      totalMs: 600,
      rateWindowMs: 60_000,
    });
    expect(failure?.failureClass).toBe("source-unreachable");
    expect(failure?.message).toMatch(/time/);
    expect(ms).toBeLessThan(2500);
  });

  test("nobody there: every attempt is listed, and it is quick", async () => {
    const { failure, ms } = await fetchFrom([answer(404), answer(410)]);
    expect(failure?.failureClass).toBe("source-unreachable");
    expect(failure?.detail).toHaveLength(2);
    expect(ms).toBeLessThan(1000);
    const into = join(context.folders.cache, "x");
    const request = {
      what: "x",
      urls: ["http://127.0.0.1:1/", "http://nowhere.invalid/x"],
      sha256,
      maxBytes: 1,
      into,
    };
    const refused: Failure = await download(request, context, log).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(refused.detail).toEqual([
      expect.stringContaining("http://127.0.0.1:1/: connection refused"),
      expect.stringMatching(/nowhere\.invalid\/x: (no such host|the name can't be looked up)/),
    ]);
    expect(filesLeft()).toEqual([]);
  });
});

describe("a mirror that lies", () => {
  test("right size, wrong hash: stops at once with expected, actual and URL", async () => {
    const other = randomBytes(body.length);
    const { failure, requests } = await fetchFrom([withoutRanges(other), good(body)]);
    expect(failure?.failureClass).toBe("source-rejected");
    expect(failure?.detail.join("\n")).toContain(sha256);
    expect(failure?.detail.join("\n")).toContain(sha256Of(other));
    expect(failure?.detail.join("\n")).toMatch(/URL: +http:\/\/127/);
    expect(requests).toEqual(["/0"]);
    expect(filesLeft()).toEqual([]);
  });

  test("a resumed file with the wrong hash is fetched once more from the beginning", async () => {
    const wrong = randomBytes(body.length);
    const { result, requests } = await fetchFrom([inTurn(cut(wrong, 50_000), good(body), good(body))]);
    expect(result).toBeDefined();
    expect(requests).toHaveLength(3);
    expect(requests[2]).toBe("/0");
  });

  test.each([
    ["a web page", Buffer.from("<!DOCTYPE html><html><body>Sign in</body></html>")],
    ["nothing", Buffer.alloc(0)],
  ])("200 with %s is rejected", async (_name, page) => {
    const { failure } = await fetchFrom([withoutRanges(page), good(body)]);
    expect(failure?.failureClass).toBe("source-rejected");
    expect(filesLeft()).toEqual([]);
  });

  test("a body without end is stopped at the size limit", async () => {
    const { failure } = await fetchFrom([endless()], {}, 2 << 20);
    expect(failure?.failureClass).toBe("source-rejected");
    expect(failure?.message).toMatch(/delivers more than/);
    expect(filesLeft()).toEqual([]);
  });

  test("a length above the limit is refused before a byte is stored", async () => {
    const { failure } = await fetchFrom([good(body)], {}, 1000);
    expect(failure?.failureClass).toBe("source-rejected");
    expect(filesLeft()).toEqual([]);
  });
});

test("an abort ends it at once and keeps the part for the next time", async () => {
  const running = fetchFrom([stall(body, 1000)], { stallMs: 20_000, rateWindowMs: 20_000 });
  await pause(300);
  context.cancel.abort();
  const { failure, ms } = await running;
  expect(failure).toBeDefined();
  expect(ms).toBeLessThan(1500);
  expect(filesLeft()).toEqual([expect.stringMatching(/^file\.part\.released/)]);
});

test("two downloads of one file at once are both right", async () => {
  await using server = await webServer({ "/f": good(body) });
  const into = join(context.folders.cache, "file");
  const request = { what: "f", urls: [`${server.base}f`], sha256, maxBytes: 1 << 20, into, limits: quick };
  await Promise.all([1, 2, 3].map(() => download(request, context, log)));
  expect(filesLeft()).toEqual(["file"]);
  expect(sha256Of(readFileSync(into))).toBe(sha256);
});

test("after kill -9 in the middle the next process goes on from there", async () => {
  await using server = await webServer({ "/f": inTurn(stall(body, 200_000), good(body)) });
  const into = join(context.folders.cache, "file");
  const child = spawn(
    process.execPath,
    [fileURLToPath(import.meta.resolve("../support/download-child.ts"))],
    {
      env: { PATH: process.env.PATH, REQUEST: JSON.stringify({ url: `${server.base}f`, sha256, into }) },
      stdio: "inherit",
    },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  for (let tries = 0; tries < 100; tries++) {
    await pause(100);
    const part = filesLeft()[0];
    if (part && readFileSync(join(context.folders.cache, part)).length === 200_000) break;
  }
  child.kill("SIGKILL");
  await ended;
  const request = { what: "f", urls: [`${server.base}f`], sha256, maxBytes: 1 << 20, into, limits: quick };
  await download(request, context, log);
  expect(server.requests).toEqual(["/f", "/f bytes=200000-"]);
  expect(filesLeft()).toEqual(["file"]);
}, 30_000);

const canMount = process.getuid?.() === 0;

// Needs root for a small tmpfs of its own.
test.skipIf(!canMount)(
  "a full disk is said with the free space, whether known before or found out",
  async () => {
    const small = join(context.root, "small");
    mkdirSync(small);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=200k", "tmpfs", small]).status).toBe(0);
    try {
      const chunked: Behaviour = (_request, response) => void response.writeHead(200).end(body);
      await using server = await webServer({ "/known": good(body), "/unknown": chunked });
      for (const path of ["known", "unknown"]) {
        const into = join(small, path);
        const request = {
          what: "f",
          urls: [server.base + path],
          sha256,
          maxBytes: 1 << 20,
          into,
          limits: quick,
        };
        const failure: Failure = await download(request, context, log).then(
          () => expect.unreachable(),
          (error) => error,
        );
        expect(failure.failureClass).toBe("disk-full");
        expect(failure.message).toMatch(/\d+ MB (are )?free/);
        for (const name of readdirSync(small)) writeFileSync(join(small, name), "");
      }
    } finally {
      spawnSync("umount", ["--lazy", small]);
    }
  },
);
