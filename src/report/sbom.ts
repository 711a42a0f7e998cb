/** sbom.cdx.json: what is inside the images, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). */
import type { Result } from "./result.ts";

const licences: Readonly<Record<string, string>> = { linux: "GPL-2.0-only", busybox: "GPL-2.0-only" };
const vendors: Readonly<Record<string, string>> = { linux: "linux:linux_kernel", busybox: "busybox:busybox" };

/** The file's text; the same sources and files give the same bytes (no time, no serial number). */
export function renderSbom(result: Result, version: string): string {
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      tools: { components: [{ type: "application", name: "bootgate", version }] },
      component: { type: "operating-system", name: "bootgate-image", "bom-ref": "image" },
    },
    components: [
      ...result.sources.map((source) => ({
        type: source.name === "linux" ? "operating-system" : "application",
        "bom-ref": source.name,
        name: source.name,
        version: source.version,
        purl: `pkg:generic/${source.name}@${encodeURIComponent(source.version)}`,
        cpe: `cpe:2.3:${source.name === "linux" ? "o" : "a"}:${vendors[source.name]}:${source.version}:*:*:*:*:*:*:*`,
        licenses: [{ license: { id: licences[source.name] } }],
        hashes: [{ alg: "SHA-256", content: source.sha256 }],
        properties: [
          { name: "bootgate:origin", value: source.origin },
          { name: "bootgate:verifiedBy", value: source.verifiedBy },
        ],
      })),
      ...result.artifacts.map((file) => ({
        type: "file",
        "bom-ref": `file:${file.name}`,
        name: file.name,
        hashes: [{ alg: "SHA-256", content: file.sha256 }],
      })),
    ],
    dependencies: [{ ref: "image", dependsOn: result.sources.map((source) => source.name) }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
