import type { FileHandle } from 'node:fs/promises';

/**
 * Writes `blocks` at `position`, or at the end of what was written so far when that is undefined, in as few calls as
 * the system allows. A short write is followed by another call, which then brings the error (ENOSPC, EIO).
 */
export async function writeAll(
  handle: FileHandle,
  blocks: readonly Buffer[],
  position?: number,
): Promise<number> {
  let octets = 0;
  for (const block of blocks) octets += block.length;
  let rest = blocks;
  let written = 0;
  while (written < octets) {
    const at = position === undefined ? undefined : position + written;
    const { bytesWritten } = await handle.writev(rest, at);
    written += bytesWritten;
    if (written < octets) rest = behind(rest, bytesWritten);
  }
  return octets;
}

function behind(blocks: readonly Buffer[], octets: number): readonly Buffer[] {
  let index = 0;
  let left = octets;
  while (left >= blocks[index]!.length) left -= blocks[index++]!.length;
  return [blocks[index]!.subarray(left), ...blocks.slice(index + 1)];
}
