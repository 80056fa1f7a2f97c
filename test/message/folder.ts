/** A folder on disk for one test, and messages in it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { SpoolDirectory } from '../../host/message/spool-directory.ts';

export const clock = { now: (): number => 1_795_354_336_512 };

/** Gone when the test is over. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'qpsmtpd-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A spool directory whose warnings are collected. */
export function spoolIn(path: string): { spool: SpoolDirectory; warnings: string[] } {
  const warnings: string[] = [];
  return { spool: new SpoolDirectory({ path, clock, warn: (text) => warnings.push(text) }), warnings };
}

export async function collect(blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const block of blocks) all.push(block);
  return Buffer.concat(all);
}

/** `text` cut at the given positions (taken modulo its length), as separate Buffers. */
export function cut(content: Buffer, positions: readonly number[]): Buffer[] {
  const places = [...new Set(positions.map((position) => position % (content.length + 1)))].sort(
    (a, b) => a - b,
  );
  const blocks: Buffer[] = [];
  let from = 0;
  for (const place of [...places, content.length]) {
    if (place > from) blocks.push(Buffer.from(content.subarray(from, place)));
    from = Math.max(from, place);
  }
  return blocks;
}
