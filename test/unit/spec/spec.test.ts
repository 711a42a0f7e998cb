import { describe, expect, it } from "vitest";
import { Failure } from "../../../src/outcome.ts";
import { parseSpec } from "../../../src/spec/spec.ts";

const door = { arch: "x86_64", installPackages: false };

function problemsOf(written: Parameters<typeof parseSpec>[0]): readonly string[] {
  try {
    parseSpec(written, door);
  } catch (error) {
    if (error instanceof Failure && error.failureClass === "bad-request")
      return [error.message, ...error.detail];
    throw error;
  }
  return [];
}

describe("a request that says nothing", () => {
  it("gets every default of the contract", () => {
    expect(parseSpec({}, door)).toMatchObject({
      profile: "minimal",
      arch: "x86_64",
      kernel: "auto",
      busybox: "auto",
      imageSize: 64 * 2 ** 20,
      ccache: 500 * 2 ** 20,
      memory: 512 * 2 ** 20,
      cpus: 1,
      accel: "auto",
      network: "none",
      settle: 1,
      failOn: "warning",
      cache: "auto",
      installPackages: false,
      out: "out",
      boot: [],
      overlay: [],
      qemuArgs: [],
    });
  });
});

describe("values", () => {
  it("become numbers, lists and words", () => {
    const spec = parseSpec(
      {
        memory: "2G",
        "qemu-args": "-s -S -device 'x,y=z w'",
        boot: ["bios", "direct"],
        ccache: "off",
        settle: "0.5",
      },
      door,
    );
    expect(spec.memory).toBe(2 ** 31);
    expect(spec.qemuArgs).toEqual(["-s", "-S", "-device", "x,y=z w"]);
    expect(spec.boot).toEqual(["bios", "direct"]);
    expect(spec.ccache).toBe("off");
    expect(spec.settle).toBe(0.5);
  });
});

describe("a wrong request", () => {
  it("is refused with everything that is wrong in one message, each with the nearest valid value", () => {
    const problems = problemsOf({ profile: "minmal", "kernel-confg": "x", accel: "kvn", memory: "lots" });
    expect(problems).toHaveLength(4);
    expect(problems.join("\n")).toContain("did you mean minimal?");
    expect(problems.join("\n")).toContain(
      "kernel-confg: there is no such input; did you mean kernel-config?",
    );
    expect(problems.join("\n")).toContain("did you mean kvm?");
    expect(problems.join("\n")).toContain("memory:");
  });

  it.each([
    ["kernel", "auto; rm -rf /"],
    ["append", "quiet\nevil"],
    ["init", "$(reboot)"],
    ["out", "-rf"],
    ["overlay", ["`id`"]],
    ["cpu", "../../etc/passwd"],
    ["prompt", "("],
    ["prompt", "a*"],
    ["cpus", "0"],
    ["cpus", "1e9"],
    ["image-size", "64MB"],
    ["image-size", "0"],
    ["timeout", "-1"],
    ["timeout", "0"],
    ["silence", "0"],
    ["memory", "8M"],
    ["image-size", "1"],
    ["image-size", "999999999G"],
    ["qemu-args", "-append 'unclosed"],
    ["boot", ["floppy"]],
  ])("%s = %j is refused, naming the input", (name, value) => {
    expect(problemsOf({ [name]: value })[0]).toContain(`${name}: `);
  });
});
