/** Once, before the suite: the system packages that the tests use, installed as the tool itself installs them. */
import { ensurePackages, type Need, needsOf } from "../../src/host/packages.ts";
import { testContext } from "./context.ts";

/** What only tests use. */
const testNeeds: readonly Need[] = [
  { find: "cpio", package: "cpio", reason: "reads our archives as a second opinion" },
  { find: "git", package: "git", reason: "a kernel checkout as a source" },
  { find: "lz4", package: "lz4", reason: "initramfs in every compression" },
  { find: "qemu-img", package: "qemu-utils", reason: "qcow2 disks" },
];

export default async function setup(): Promise<void> {
  await using context = await testContext();
  await ensurePackages([...needsOf(["source", "build", "image", "boot"]), ...testNeeds], true, context);
}
