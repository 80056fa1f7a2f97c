/** The two ends of a connection that exists in memory alone, and behaves as a stream socket does. */

import { Duplex } from 'node:stream';

const fault = (code: string, text: string): Error => Object.assign(new Error(`${text} ${code}`), { code });
/** What the system says of a connection whose other end was destroyed with an error. */
const reset = (): Error => fault('ECONNRESET', 'read');
const brokenPipe = (): Error => fault('EPIPE', 'write');

/**
 * Each chunk is taken when the other end wants more, so a reader that stops holds up the writer. `end` closes one direction; the
 * other stays open. An end that is destroyed is the end of input for the other one, and a reset if it was destroyed with an error.
 */
export class MemoryEnd extends Duplex {
  other: MemoryEnd | undefined = undefined;
  /** Says to the writer of the last chunk that it was taken. */
  #taken: ((error?: Error) => void) | undefined = undefined;
  #hasEnd = false;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    const { other } = this;
    if (other === undefined || other.destroyed) return callback(brokenPipe());
    if (chunk.length === 0) return void process.nextTick(callback);
    other.#taken = callback;
    other.push(chunk);
  }

  override _final(callback: () => void): void {
    this.other?.endInput();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const { other } = this;
    const taken = this.#taken;
    this.#taken = undefined;
    // `for await` ends so, with all read that there was: nothing has gone wrong.
    const isReset = error !== null && error.name !== 'AbortError';
    process.nextTick(() => {
      taken?.(isReset ? reset() : brokenPipe());
      if (other === undefined || other.destroyed) return;
      if (isReset) other.destroy(reset());
      else other.endInput();
    });
    callback(error);
  }

  /** Nothing in memory keeps a process alive. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Nothing more comes from the other end. */
  endInput(): void {
    if (this.#hasEnd || this.destroyed) return;
    this.#hasEnd = true;
    this.push(null);
  }
}

/** The owners of both ends listen to `error`, as they would for sockets. */
export function memoryPair(): readonly [MemoryEnd, MemoryEnd] {
  const [one, other] = [new MemoryEnd(), new MemoryEnd()];
  one.other = other;
  other.other = one;
  return [one, other];
}
