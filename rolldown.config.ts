/** Bundles the doors into dist/, which is committed: `npm start` and the Action run it without npm packages. */
import { defineConfig } from "rolldown";

export default defineConfig({
  input: { cli: "src/cli/main.ts", action: "src/action/main.ts" },
  platform: "node",
  // Node 20 is the oldest that runs the bundle.
  transform: { target: "node20" },
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    chunkFileNames: "shared-[name].js",
    legalComments: "inline",
  },
});
