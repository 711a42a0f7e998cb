/** Whether the process that left something behind still lives, also where containers share a cache folder. */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";

/** Process numbers mean something within one boot and one PID namespace (containers may share a cache folder). */
export function machineTag(): string {
  const parts = [
    () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"),
    () => readlinkSync("/proc/self/ns/pid"),
  ].map((read) => {
    try {
      return read();
    } catch {
      return "";
    }
  });
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 8);
}

/** True while a process of that number runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
