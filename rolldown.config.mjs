/** Bundles the doors into dist/, which is committed: `npm start` and the Action run it without npm packages. */
import { defineConfig } from "rolldown";
import license from "rollup-plugin-license";

export default defineConfig({
  input: { cli: "src/cli/main.ts", action: "src/action/main.ts" },
  platform: "node",
  // Node 20 is the oldest that runs the bundle.
  transform: { target: "node20" },
  // The licences of what is bundled ask to be passed on with it.
  plugins: [license({ thirdParty: { output: "dist/LICENSES.txt" } })],
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    chunkFileNames: "shared-[name].js",
    banner: (chunk) => (chunk.name === "cli" ? "#!/usr/bin/env node" : ""),
    comments: { legal: false },
  },
});
