import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectQmp, type QmpEvent } from "../../../src/machine/qmp.ts";

let folder: string;
let path: string;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "qmp-"));
  path = join(folder, "q");
});
afterEach(() => {
  server?.close();
  rmSync(folder, { recursive: true });
});

/** A QEMU that answers each line with what `answer` gives; undefined is silence. */
function listen(
  answer: (message: { execute: string; id: number }, socket: Socket) => unknown,
  greet = true,
): void {
  server = createServer((socket) => {
    socket.on("error", () => {});
    if (greet) socket.write('{"QMP": {"version": {}}}\r\n');
    let text = "";
    socket.on("data", (data) => {
      text += data;
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
        const message = JSON.parse(text.slice(0, at));
        text = text.slice(at + 1);
        const given = answer(message, socket);
        if (given !== undefined) socket.write(`${JSON.stringify(given)}\r\n`);
      }
    });
  }).listen(path);
}

describe("the QMP client", () => {
  test("commands get their own answers, events come beside them, split anywhere", async () => {
    const events: QmpEvent[] = [];
    listen((message, socket) => {
      if (message.execute !== "query-status") return { return: {}, id: message.id };
      socket.write('{"event": "SHUTDOWN", "data": {"rea');
      setTimeout(() => {
        socket.write(`son": "guest-reset"}}\r\n{"return": {"status": "paused"}, "id": ${message.id}}\r\n`);
      }, 20);
      return undefined;
    });
    const qmp = await connectQmp(path, { onEvent: (event) => events.push(event) });
    expect(await qmp.execute("query-status")).toEqual({ status: "paused" });
    expect(events).toEqual([{ event: "SHUTDOWN", data: { reason: "guest-reset" } }]);
    qmp.close();
  });

  test("an error answer, silence and a closed socket each reject", async () => {
    listen((message, socket) => {
      if (message.execute === "qmp_capabilities") return { return: {}, id: message.id };
      if (message.execute === "bad")
        return { error: { class: "GenericError", desc: "no such thing" }, id: message.id };
      if (message.execute === "die") socket.destroy();
      return undefined;
    });
    const qmp = await connectQmp(path);
    await expect(qmp.execute("bad")).rejects.toThrow("no such thing");
    await expect(qmp.execute("silent", {}, 50)).rejects.toThrow("no answer within 50 ms");
    await expect(qmp.execute("die")).rejects.toThrow("closed");
    await expect(qmp.execute("more")).rejects.toThrow("closed");
  });

  test("nobody listening, and nobody greeting, end within their limit", async () => {
    await expect(connectQmp(path, { timeoutMs: 60 })).rejects.toThrow("did not listen");
    await expect(connectQmp(path, { stop: () => true })).rejects.toThrow("QEMU ended");
    listen(() => undefined, false);
    await expect(connectQmp(path, { timeoutMs: 60 })).rejects.toThrow("greeting");
  });
});
