import { describe, expect, test } from "vitest";
import {
  distributionEntries,
  entriesForSuite,
  newestSourcePackage,
  parseAptEntries,
  pocketOf,
  renderAptConfiguration,
  renderEntries,
  upstreamVersion,
} from "../../../src/source/apt-entries.ts";

const oneLine = `
# deb http://old.example/debian bullseye main
deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian bookworm main contrib # why
deb-src http://a.example/debian bookworm main
deb http://sec.example/debian-security bookworm-security main
deb https://docker.example/linux/debian bookworm stable
deb https://llvm.example/apt llvm-toolchain-bookworm main
broken line
`;
const deb822 = `# Ubuntu's way
Types: deb deb-src
URIs: mirror+file:/etc/apt/apt-mirrors.txt
Suites: noble noble-updates
 noble-backports
Components: main universe
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/
Suites: noble
Components: main
`;

test("one-line sources are read, comments and nonsense left out", () => {
  const entries = parseAptEntries("sources.list", oneLine);
  expect(entries).toHaveLength(5);
  expect(entries[0]).toEqual({
    uris: ["http://a.example/debian"],
    suites: ["bookworm"],
    components: ["main", "contrib"],
    options: { "Signed-By": "/k.gpg" },
  });
});

test("deb822 sources are read: folded fields, an inline key, a disabled stanza", () => {
  const [entry, ...others] = parseAptEntries("ubuntu.sources", deb822);
  expect(others).toEqual([]);
  expect(entry!.suites).toEqual(["noble", "noble-updates", "noble-backports"]);
  expect(entry!.uris).toEqual(["mirror+file:/etc/apt/apt-mirrors.txt"]);
  const rendered = renderEntries([entry!], "deb-src");
  expect(rendered).toContain("Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n");
  expect(rendered).toContain("Types: deb-src\n");
  expect(parseAptEntries("again.sources", rendered)[0]).toEqual({ ...entry, components: ["main"] });
});

describe("which archives are asked", () => {
  const own = distributionEntries(parseAptEntries("sources.list", oneLine), "bookworm");

  test("other people's repositories are left out", () => {
    expect([...new Set(own.flatMap(({ uris }) => uris))]).toEqual([
      "http://a.example/debian",
      "http://sec.example/debian-security",
    ]);
  });

  test("another suite comes from the main archive, its security updates from the security archive", () => {
    const uris = (suite: string) => [...new Set(entriesForSuite(own, suite).flatMap((entry) => entry.uris))];
    expect(uris("sid")).toEqual(["http://a.example/debian"]);
    expect(uris("trixie-security")).toEqual(["http://sec.example/debian-security"]);
    expect(uris("bookworm-backports")).toEqual(["http://a.example/debian"]);
    expect(entriesForSuite(own, "sid").every(({ suites }) => suites.join() === "sid")).toBe(true);
  });

  test.each([
    ["bookworm", ""],
    ["bookworm-security", "-security"],
    ["buster/updates", "/updates"],
    ["noble-updates", "-updates"],
    ["bookworm-backports-sloppy", "-backports-sloppy"],
  ])("the pocket of %s is %j", (suite, pocket) => expect(pocketOf(suite)).toBe(pocket));
});

test("the newest source package is the one with the highest number, and variants are not taken", () => {
  const names = [
    "linux-source-6.1",
    "linux-source-6.12",
    "linux-source-6.8",
    "linux-source-rt-7.0",
    "linux-source",
  ];
  expect(newestSourcePackage(names)).toBe("linux-source-6.12");
  expect(newestSourcePackage(["linux-source-6.8.0"])).toBe("linux-source-6.8.0");
  expect(newestSourcePackage(["linux-source-6.12", "linux-source-7.2"])).toBe("linux-source-7.2");
  expect(newestSourcePackage(["linux-source"])).toBeUndefined();
});

test.each([
  ["6.12.117-1~deb12u1", "6.12.117"],
  ["1:1.38.0-3", "1.38.0"],
  ["7.3~rc1-1~exp1", "7.3-rc1"],
  ["6.8.0-60.63", "6.8.0"],
])("the package version %s is upstream's %s", (version, upstream) => {
  expect(upstreamVersion(version)).toBe(upstream);
});

test("the private configuration writes nowhere but into its folder and starts no hook of the machine", () => {
  const text = renderAptConfiguration("/x", true);
  for (const [, path] of text.matchAll(/^Dir::\S+ "([^"]*)";$/gm))
    expect(path).toMatch(/^(\/x\/|\/dev\/null$|$)/);
  expect(text).toContain("#clear APT::Update::Post-Invoke;");
  expect(renderAptConfiguration("/x", false)).not.toContain("Sandbox");
});
