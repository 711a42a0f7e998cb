/** A process of its own that downloads, to be killed. */
import { dirname } from "node:path";
import { download } from "../../src/host/download.ts";

const { url, sha256, into } = JSON.parse(process.env.REQUEST!);
const context = {
  now: () => performance.now(),
  signal: new AbortController().signal,
  proxy: {},
  folders: { cache: dirname(into) },
} as never;
await download({ what: "f", urls: [url], sha256, maxBytes: 1 << 20, into }, context, {
  output: () => {},
  progress: () => {},
});
