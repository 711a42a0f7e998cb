/**
 * `npm test`: brings what it lacks (npm packages; Node 24 for development, by the npm package `node`), runs the whole
 * suite and says how many tests ran. Plain JavaScript: it starts on any Node from 20 on, before anything is installed.
 * Arguments go to vitest: `npm test -- test/unit` runs the unit tests.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const report = join(root, "test", ".results", "report.json");
const modules = join(root, "node_modules");

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  return status ?? 1;
}

const installed = join(modules, ".package-lock.json");
const lock = join(root, "package-lock.json");
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  const code = run("npm", ["install", "--no-save", "--no-audit", "--no-fund"]);
  if (code !== 0) process.exit(code);
}

const own = Number(process.versions.node.split(".")[0]) >= 24;
const node = own ? process.execPath : join(modules, "node", "bin", "node");

rmSync(report, { force: true });
mkdirSync(dirname(report), { recursive: true });
const code = run(node, [
  join(modules, "vitest", "vitest.mjs"),
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);

if (!existsSync(report)) {
  console.error("The test runner left no report: it did not start, or it was killed.");
  process.exit(code || 1);
}
const counts = JSON.parse(readFileSync(report, "utf8"));
const {
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: pending,
  numTodoTests: todo,
} = counts;
const skipped = pending + todo;
// A file that fails to load has failing suites and no failing test.
const broken = failed === 0 && !counts.success ? 1 : 0;
console.log(`${passed} passed, ${failed + broken} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(code || (broken ? 1 : 0));
