import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // One cache for the whole suite, kept between its runs: the kernel's archive is 150 MB.
    env: { BOOTGATE_TEST_CACHE: join(import.meta.dirname, "test", ".cache", "bootgate") },
    globalSetup: ["test/support/setup.ts"],
    // Boots under emulation share two cores with compilers: what is measured here is whether, not how fast.
    testTimeout: 60_000,
    hookTimeout: 1_200_000,
    fileParallelism: true,
    maxWorkers: 2,
  },
});
