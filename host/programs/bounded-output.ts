/** The beginning of what a program prints. */

import type { Readable } from 'node:stream';

/**
 * Keeps the first `maxOctets` of a stream. The rest is read and dropped: a program that prints without end must neither
 * fill the memory nor be stopped by a full pipe.
 */
export class BoundedOutput {
  readonly #blocks: Buffer[] = [];
  readonly #maxOctets: number;
  #kept = 0;

  constructor(stream: Readable, maxOctets: number) {
    this.#maxOctets = maxOctets;
    stream.on('data', (block: Buffer) => this.#take(block));
    stream.on('error', () => undefined);
  }

  get text(): string {
    return Buffer.concat(this.#blocks).toString('utf8');
  }

  #take(block: Buffer): void {
    const room = this.#maxOctets - this.#kept;
    if (room <= 0) return;
    // A copy, because a part would hold on to the whole block.
    const part = Buffer.from(block.subarray(0, room));
    this.#blocks.push(part);
    this.#kept += part.length;
  }
}
