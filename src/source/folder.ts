/** The source that is a folder: the checkout under test. It is read and copied, never written to. */
import type { Context, StageLog } from "../context.ts";
import type { PathRequest, Source } from "./types.ts";
export async function folderSource(_r: PathRequest, _p: string, _c: Context, _l: StageLog): Promise<Source> {
  throw new Error("to come");
}
