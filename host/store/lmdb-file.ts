/** Looks at the file of the embedded store before it is mapped: what LMDB cannot read takes the whole process down. */

import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { STORE_FILE } from './store-directory.ts';

/** Opening writes two pages and a table of readers; on a full disk the first touch of the table is fatal. */
const SPACE_OCTETS = 1_048_576;
/** A file begins with two pages that describe it: behind their header of 24 octets, or 16 in older files, is this word. */
const MAGIC = 0xbeefc0de;
const MAGIC_AT_WORDS: readonly number[] = [6, 4];
const LEAST_OCTETS = 8_192;

/** Throws an Error that says what is wrong. A missing or empty file is in order: it will be made. */
export async function checkStoreFile(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < SPACE_OCTETS)
    throw Object.assign(new Error(`no space left in ${directory}`), { code: 'ENOSPC' });
  const path = join(directory, STORE_FILE);
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    const { size } = await file.stat();
    if (size === 0) return;
    const words = new Uint32Array(8);
    await file.read(words, 0, words.byteLength, 0);
    if (size < LEAST_OCTETS || !MAGIC_AT_WORDS.some((at) => words[at] === MAGIC)) {
      throw new Error(`${path} is no LMDB file; move it away, and a new one is made`);
    }
  } finally {
    await file.close();
  }
}
