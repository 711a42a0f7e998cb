/** Reading a stream of chunks as one run of bytes: peek, take, skip, hand on the rest. */

export class ByteReader {
  /** How many bytes were taken or skipped so far. */
  position = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Buffer[] = [];
  #held = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next bytes without taking them: `count`, or fewer at the end. Meant for headers, not for megabytes. */
  async peek(count: number): Promise<Buffer> {
    while (this.#held < count && (await this.#pull()));
    if ((this.#chunks[0]?.length ?? 0) < count && this.#chunks.length > 1) {
      this.#chunks = [Buffer.concat(this.#chunks)];
    }
    return (this.#chunks[0] ?? Buffer.alloc(0)).subarray(0, count);
  }

  /** Takes `count` bytes, or fewer at the end. */
  async read(count: number): Promise<Buffer> {
    const bytes = Buffer.from(await this.peek(count));
    this.#drop(bytes.length);
    return bytes;
  }

  /** Takes up to `count` bytes as they come, without putting them together. */
  async *take(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0 && (this.#held > 0 || (await this.#pull()))) {
      const bytes = this.#chunks[0]!.subarray(0, left);
      this.#drop(bytes.length);
      left -= bytes.length;
      yield bytes;
    }
  }

  /** Passes over `count` bytes; gives how many there were. */
  async skip(count: number): Promise<number> {
    let skipped = 0;
    for await (const bytes of this.take(count)) skipped += bytes.length;
    return skipped;
  }

  /** Passes over zero bytes; gives how many there were. */
  async skipZeros(): Promise<number> {
    let skipped = 0;
    while (this.#held > 0 || (await this.#pull())) {
      const chunk = this.#chunks[0]!;
      const end = chunk.findIndex((byte) => byte !== 0);
      const zeros = end === -1 ? chunk.length : end;
      this.#drop(zeros);
      skipped += zeros;
      if (end !== -1) break;
    }
    return skipped;
  }

  /** Everything that is left. */
  rest(): AsyncGenerator<Buffer> {
    return this.take(Number.POSITIVE_INFINITY);
  }

  /** Lets the source go when not all of it is wanted. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#source.return?.();
  }

  async #pull(): Promise<boolean> {
    if (this.#ended) return false;
    const next = await this.#source.next();
    if (next.done) {
      this.#ended = true;
      return false;
    }
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#held += chunk.length;
    return true;
  }

  #drop(count: number): void {
    this.position += count;
    this.#held -= count;
    let left = count;
    while (left > 0) {
      const chunk = this.#chunks[0]!;
      if (chunk.length > left) {
        this.#chunks[0] = chunk.subarray(left);
        return;
      }
      left -= chunk.length;
      this.#chunks.shift();
    }
  }
}
