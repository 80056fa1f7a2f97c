/** Content as Unix mailboxes keep it: every CRLF a LF, and nothing else changed. */

import type { Core } from '../../bindings/core/contract.ts';

const LF = 0x0a;
const CR = 0x0d;
const LONE_CR = Buffer.from('\r');

/** Converts `blocks`, each of at most a `WINDOW`; a CRLF may be split over two of them. */
export function* toLfBlocks(core: Core, blocks: Iterable<Buffer>): Iterable<Buffer> {
  let heldCr = false;
  for (const block of blocks) {
    if (block.length === 0) continue;
    if (heldCr && block[0] !== LF) yield LONE_CR;
    heldCr = endsInCr(block);
    if (block.length > 1 || !heldCr) yield convert(core, block, heldCr);
  }
  if (heldCr) yield LONE_CR;
}

/** The same over blocks that are read from a file. */
export async function* toLfBlocksAsync(core: Core, blocks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let heldCr = false;
  for await (const block of blocks) {
    if (block.length === 0) continue;
    if (heldCr && block[0] !== LF) yield LONE_CR;
    heldCr = endsInCr(block);
    if (block.length > 1 || !heldCr) yield convert(core, block, heldCr);
  }
  if (heldCr) yield LONE_CR;
}

/** Pieces of at most `octets`: the list itself where no block is longer, as in nearly all messages. */
export const cutList = (blocks: readonly Buffer[], octets: number): Iterable<Buffer> =>
  blocks.every(({ length }) => length <= octets) ? blocks : cutBlocks(blocks, octets);

/** Cuts blocks into pieces of at most `octets`. */
export function* cutBlocks(blocks: Iterable<Buffer>, octets: number): Iterable<Buffer> {
  for (const block of blocks) {
    if (block.length <= octets) yield block;
    else for (let at = 0; at < block.length; at += octets) yield block.subarray(at, at + octets);
  }
}

const endsInCr = (block: Buffer): boolean => block[block.length - 1] === CR;

/** A CR at the end waits for the next block: only that tells whether it belongs to a CRLF. */
const convert = (core: Core, block: Buffer, endsInCr: boolean): Buffer =>
  core.toLf(endsInCr ? block.subarray(0, -1) : block);
