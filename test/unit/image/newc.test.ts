import { describe, expect, test } from "vitest";
import { type Entry, newcBuffer } from "../../../src/image/newc.ts";
import { inspectNewc } from "../../../src/image/newc-read.ts";

const file = (path: string, text: string, mode = 0o644): Entry => ({
  path,
  type: "file",
  mode,
  content: Buffer.from(text),
});

const small: readonly Entry[] = [
  file("init", "#!/bin/sh\n", 0o755),
  { path: "dev", type: "folder", mode: 0o755 },
  { path: "dev/console", type: "char", mode: 0o600, major: 5, minor: 1 },
  { path: "sh", type: "link", target: "bin/busybox" },
];

describe("newcBuffer", () => {
  test("writes the header of buffer-format.rst, field by field", async () => {
    const bytes = await newcBuffer([file("a", "xyz", 0o4755)]);
    const fields = [1, 0o104755, 0, 0, 1, 0x67748580, 3, 0, 0, 0, 0, 2, 0];
    expect(bytes.toString("latin1", 0, 110)).toBe(
      "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join(""),
    );
    expect(bytes.toString("latin1", 110, 116)).toBe("a\0xyz\0");
    expect(bytes.toString("latin1", 116, 122)).toBe("070701");
    expect(bytes.length % 4).toBe(0);
  });

  test("sorts bytewise and not as UTF-16: a private-use character comes before one beyond the first plane", async () => {
    const bytes = await newcBuffer([
      file("\u{1f600}", ""),
      file("\ue000", ""),
      file("b", ""),
      file("a-c", ""),
      file("a", ""),
    ]);
    const names = [...bytes.toString("utf8").matchAll(/070701[0-9a-f]{104}([^\0]+)/g)].map(
      (match) => match[1],
    );
    expect(names).toEqual(["a", "a-c", "b", "\ue000", "\u{1f600}", "TRAILER!!!"]);
  });

  test("gives the same bytes whatever the order of the entries and the umask", async () => {
    const before = process.umask(0o077);
    const first = await newcBuffer(small);
    process.umask(0o000);
    const second = await newcBuffer([...small].reverse());
    process.umask(before);
    expect(second.equals(first)).toBe(true);
  });

  test("carries device numbers", async () => {
    const bytes = (await newcBuffer([{ path: "c", type: "char", mode: 0o600, major: 5, minor: 1 }])).toString(
      "latin1",
    );
    expect(bytes.slice(6 + 9 * 8, 6 + 11 * 8)).toBe("0000000500000001");
  });

  test.each([
    ["an absolute name", [file("/etc/passwd", "")]],
    ["a name that leads out", [file("../x", "")]],
    ["an empty name", [file("", "")]],
    ["the trailer's name", [file("TRAILER!!!", "")]],
    ["a name twice", [file("a", ""), file("a", "")]],
    ["a name that the kernel would skip in silence", [file("x/".repeat(2048) + "y", "")]],
    ["a link to nowhere at all", [{ path: "l", type: "link", target: "" } as const]],
    [
      "4 GiB",
      [
        {
          path: "f",
          type: "file",
          mode: 0o644,
          content: { path: "/nowhere", offset: 0, size: 2 ** 32 },
        } as const,
      ],
    ],
  ])("refuses %s", async (_, entries) => {
    await expect(newcBuffer(entries)).rejects.toMatchObject({ failureClass: "bad-request" });
  });

  test("says so when a file became shorter than it was", async () => {
    const content = { path: import.meta.filename, offset: 0, size: 10_000_000 };
    await expect(newcBuffer([{ path: "f", type: "file", mode: 0o644, content }])).rejects.toThrow(
      /became shorter/,
    );
  });
});

describe("inspectNewc", () => {
  test("finds a whole archive whole", async () => {
    const bytes = await newcBuffer(small);
    expect(await inspectNewc(bytes)).toEqual({ members: 4, bytes: bytes.length, damage: undefined });
  });

  test("finds an archive damaged wherever it is cut", async () => {
    const bytes = await newcBuffer(small);
    const trailer = bytes.length - 124;
    for (let length = 1; length < bytes.length - 3; length++) {
      const { damage } = await inspectNewc(bytes.subarray(0, length));
      // Fewer than six bytes are not even the magic; an archive cut within the TRAILER's padding is whole.
      if (length >= 6) expect(damage, `cut at ${length} of ${bytes.length}`).toMatch(/^it ends|^there is no/);
    }
    expect((await inspectNewc(bytes.subarray(0, trailer))).damage).toBe(
      `it ends at byte ${trailer} without its TRAILER!!!`,
    );
  });

  test("walks archives that follow each other, with zeros between, and stops at what is not newc", async () => {
    const bytes = await newcBuffer(small);
    const gzip = Buffer.from([0x1f, 0x8b, 8, 0]);
    const all = Buffer.concat([bytes, Buffer.alloc(512), bytes, Buffer.alloc(4), gzip]);
    expect(await inspectNewc(all)).toEqual({ members: 8, bytes: all.length - 4, damage: undefined });
  });

  test("names the place of a header that is none", async () => {
    const bytes = await newcBuffer(small);
    bytes.write("XXXXXX", bytes.indexOf("070701", 6));
    expect((await inspectNewc(bytes)).damage).toMatch(/^there is no member's header at byte 116$/);
  });
});
