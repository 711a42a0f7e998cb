/**
 * The same machine with a person in front of it: the terminal is the guest's console. QEMU's own multiplexer reads
 * the keys, so Ctrl-A x ends it and Ctrl-A c shows its monitor, as anyone who knows QEMU expects.
 */
import type { Readable, Writable } from "node:stream";
import type { Context } from "../context.ts";
import { architectureOf } from "../machine/architectures.ts";
import { type Machine, qemuArguments } from "../machine/qemu.ts";
import { Failure } from "../outcome.ts";

/** What a shell needs of a terminal; `process.stdin` and `process.stdout` are such. */
export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly output: Writable;
}

const greeting =
  "The terminal is the guest's console now. Ctrl-A x ends the machine, Ctrl-A h shows QEMU's other keys.\r\n";

/**
 * Runs the machine until the person or the guest ends it. Images are not written to.
 * @throws Failure `qemu-failed` when QEMU ends with an error, `cancelled` by the context's signal
 */
export async function attachShell(machine: Machine, terminal: Terminal, context: Context): Promise<void> {
  const { input, output } = terminal;
  const args = qemuArguments(machine, { kind: "terminal" });
  // With nobody to look at a stopped machine, the end of the guest is the end of QEMU.
  const program = context.run.start(architectureOf(machine.arch).qemu, [
    ...args,
    "-action",
    "shutdown=poweroff",
  ]);
  let stderr = "";
  const keys = (data: Buffer) => program.child.stdin.write(data);
  output.write(greeting);
  input.setRawMode?.(true);
  input.on("data", keys);
  input.resume();
  program.child.stdout.on("data", (data: Buffer) => {
    if (!output.write(data)) {
      program.child.stdout.pause();
      output.once("drain", () => program.child.stdout.resume());
    }
  });
  program.child.stderr.on("data", (data: Buffer) => {
    stderr = (stderr + data.toString("utf8")).slice(-16_384);
  });
  try {
    const exit = await program.finished;
    if (context.signal.aborted) throw new Failure("cancelled", "cancelled while the shell was open");
    if (exit.code !== 0) {
      const said = stderr.trim().split("\n");
      throw new Failure(
        "qemu-failed",
        `QEMU ended with ${exit.signal ?? `exit code ${exit.code}`}: ${said.at(-1)}`,
        {
          detail: said,
        },
      );
    }
  } finally {
    input.off("data", keys);
    input.setRawMode?.(false);
    input.pause();
    await program.stop(500);
  }
}
