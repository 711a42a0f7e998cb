/** Work side by side: the first part that fails gives up the others, and its failure is the one that counts. */
import type { Context } from "./context.ts";
import { asFailure } from "./outcome.ts";

/** Runs every part at once, each with a context whose signal ends when another part fails. */
export async function together<const Parts extends readonly ((context: Context) => Promise<unknown>)[]>(
  context: Context,
  parts: Parts,
): Promise<{ -readonly [K in keyof Parts]: Awaited<ReturnType<Parts[K]>> }> {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([context.signal, giveUp.signal]);
  const shared: Context = { ...context, signal, run: context.run.under(signal) };
  const failures: unknown[] = [];
  const results = await Promise.all(
    parts.map(async (part) => {
      try {
        return await part(shared);
      } catch (error) {
        // What is thrown after the first failure is thrown because of it.
        failures.push(error);
        giveUp.abort();
        return undefined;
      }
    }),
  );
  if (failures.length > 0) throw asFailure(failures[0], "side by side");
  return results as { -readonly [K in keyof Parts]: Awaited<ReturnType<Parts[K]>> };
}

/** Runs `work` on every item, at most `limit` at a time; results in the items' order. */
export async function inParallel<Item, Value>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const results = new Array<Value>(items.length);
  const queue = [...items.entries()];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, item] = next;
      results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
