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
    if (bytesWritten === 0) throw noProgress();
    written += bytesWritten;
    if (written < octets) rest = behind(rest, bytesWritten);
  }
  return octets;
}

/**
 * Writes `line` to a file opened for appending, in one piece: other processes append to it as well, and a line in two pieces
 * may have one of theirs in its middle. After a short write the whole line is written again, which then brings the error. So
 * the line begins with what parts it from a cut one.
 */
export async function appendWhole(handle: FileHandle, line: Buffer): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const { bytesWritten } = await handle.write(line);
    if (bytesWritten === line.length) return;
  }
  throw noProgress();
}

/** A system that takes some octets of a line each time, but never all of them, has no room for it. */
const MAX_TRIES = 5;

const noProgress = (): Error =>
  Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

function behind(blocks: readonly Buffer[], octets: number): readonly Buffer[] {
  let index = 0;
  let left = octets;
  while (left >= blocks[index]!.length) left -= blocks[index++]!.length;
  return [blocks[index]!.subarray(left), ...blocks.slice(index + 1)];
}
