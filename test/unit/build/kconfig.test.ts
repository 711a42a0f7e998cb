import { describe, expect, it } from "vitest";
import { lostRequests, overlayConfig, parseConfig, parseFragment } from "../../../src/build/kconfig.ts";
import { evaluate, explainLoss, findDefinitions } from "../../../src/build/kconfig-why.ts";

const by = "test";

describe("laying requests over a .config", () => {
  const base = "CONFIG_A=y\n# CONFIG_STATIC is not set\nCONFIG_TC=y\n# a comment\n";

  it("replaces a symbol's line, since BusyBox's Kconfig believes the first definition", () => {
    const text = overlayConfig(base, [
      { symbol: "STATIC", value: "y", by },
      { symbol: "TC", value: "n", by },
    ]);
    expect(parseConfig(text)).toEqual(
      new Map([
        ["A", "y"],
        ["STATIC", "y"],
        ["TC", "n"],
      ]),
    );
    expect(text.match(/STATIC/g)).toHaveLength(1);
    expect(text).toContain("# a comment");
  });

  it("takes the last of two requests for one symbol", () => {
    const text = overlayConfig("", [
      { symbol: "A", value: "y", by },
      { symbol: "A", value: "m", by },
    ]);
    expect(parseConfig(text).get("A")).toBe("m");
  });
});

describe("reading back", () => {
  it("names what was lost, and counts an absent symbol as one that is not set", () => {
    const final = parseConfig('CONFIG_A=y\nCONFIG_NAME="x"\n# CONFIG_B is not set\n');
    const requests = [
      { symbol: "A", value: "y", by },
      { symbol: "B", value: "y", by },
      { symbol: "GONE", value: "n", by },
      { symbol: "TMPFS", value: "y", by },
      { symbol: "NAME", value: '"x"', by },
    ];
    expect(lostRequests(requests, final).map((lost) => lost.symbol)).toEqual(["B", "TMPFS"]);
  });
});

describe("fragments", () => {
  it("refuse a line that is no Kconfig line, with its number", () => {
    expect(() => parseFragment("CONFIG_A=y\nTMPFS=y\n", "my.config")).toThrow(/my\.config:2.*TMPFS=y/);
  });
});

const kconfig = `
menu "File systems"
	depends on BLOCK

config TMPFS
	bool "Tmpfs virtual memory file system support"
	depends on SHMEM
	select MEMFD_CREATE
	help
	  Tmpfs is a file system.
	  config NOT_A_SYMBOL

if NET
config INET
	bool "TCP/IP"
endif

endmenu

config APPLET
	bool "An applet, as BusyBox writes it"
	help
	Its text is as far in as the keyword.
	depends on you: it is not a dependency.

config HIDDEN
	bool
	depends on TMPFS || \\
		   INET
`;

describe("why a symbol was lost", () => {
  it("names the dependency that is not met", () => {
    const final = parseConfig("CONFIG_BLOCK=y\n");
    expect(explainLoss(kconfig, "TMPFS", "y", final)).toBe("it depends on (SHMEM); SHMEM is not set");
    expect(explainLoss(kconfig, "INET", "y", final)).toBe("it depends on (NET); NET is not set");
  });

  it("names an enclosing menu's condition", () => {
    expect(explainLoss(kconfig, "TMPFS", "y", parseConfig("CONFIG_SHMEM=y"))).toContain("BLOCK is not set");
  });

  it("says when a symbol has no prompt, and when there is none of that name", () => {
    expect(explainLoss(kconfig, "HIDDEN", "y", parseConfig("CONFIG_TMPFS=y"))).toContain("no prompt");
    expect(explainLoss(kconfig, "TMPSF", "y", parseConfig(""))).toContain("did you mean TMPFS?");
  });

  it("reads help text as text and joined lines as one", () => {
    expect(findDefinitions(kconfig, "NOT_A_SYMBOL")).toEqual([]);
    expect(findDefinitions(kconfig, "APPLET")[0]?.conditions).toEqual([]);
    expect(findDefinitions(kconfig, "HIDDEN")[0]?.conditions).toEqual([
      "TMPFS ||  \t\t   INET".replace(/\s+/g, " "),
    ]);
  });
});

describe("Kconfig expressions", () => {
  const config = parseConfig('CONFIG_Y=y\nCONFIG_M=m\nCONFIG_S="a"\n');
  it.each([
    ["Y", 2],
    ["M", 1],
    ["N", 0],
    ["!Y", 0],
    ["!M", 1],
    ["Y && M", 1],
    ["N || M", 1],
    ["(N || Y) && !N", 2],
    ["Y = y", 2],
    ["M != y", 2],
    ['S = "a"', 2],
    ["N = n", 2],
    ["$(cc-option,-foo)", undefined],
    ["$(x) && N", 0],
    ["$(x) || Y", 2],
  ])("%s is %s", (expression, value) => {
    expect(evaluate(expression, config)).toBe(value);
  });
});
