/** Writes blocks into a stream as fast as its reader takes them. */

import type { Writable } from 'node:stream';

/** Blocks that may be asked for more than once. */
export type Blocks = AsyncIterable<Buffer> | Iterable<Buffer>;

/**
 * True once all blocks are in the hands of the system, false if the other end is closed before. Rejects only with what
 * reading the blocks rejects with. Does not end the stream. Errors of the stream have to be listened to by its owner.
 */
export async function feed(stream: Writable, blocks: Blocks): Promise<boolean> {
  let taken = Promise.resolve(true);
  for await (const block of blocks) {
    if (!isOpen(stream)) return false;
    let hasRoom = true;
    taken = new Promise((resolve) => {
      // A stream destroyed while it writes reports no error for what it held.
      hasRoom = stream.write(block, (error) => resolve(!error && !stream.destroyed));
    });
    if (!hasRoom) await emptied(stream);
  }
  return taken;
}

const isOpen = (stream: Writable): boolean => !stream.destroyed && stream.writable;

/** Resolves when there is room again, or never will be. */
function emptied(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, settle);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.on(event, settle);
    if (!isOpen(stream)) settle();
  });
}
