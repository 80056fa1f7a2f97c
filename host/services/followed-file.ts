/** Large files of plugins that are exchanged now and then. */

import { closeSync, fstatSync, openSync, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { FollowedFile } from '../../bindings/plugin/files.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';

/** Read in pieces: the threads that read files have other work between two of them. */
const PIECE_OCTETS = 1_048_576;

export function followFile(path: string, { maxOctets }: { readonly maxOctets: number }): FollowedFile {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    checkFacts(path, fstatSync(file), maxOctets);
  } catch (cause) {
    throw asProblem(path, cause);
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return new SystemFollowedFile(path, maxOctets);
}

class SystemFollowedFile implements FollowedFile {
  readonly #path: string;
  readonly #maxOctets: number;
  #stamp: string | undefined;

  constructor(path: string, maxOctets: number) {
    this.#path = path;
    this.#maxOctets = maxOctets;
  }

  async hasChanged(): Promise<boolean> {
    return this.#stamp === undefined || (await this.#stampNow()) !== this.#stamp;
  }

  async read(): Promise<Uint8Array> {
    // Before the octets: what is changed while they are read is read again.
    this.#stamp = await this.#stampNow();
    try {
      const file = await open(this.#path, 'r');
      try {
        const facts = await file.stat();
        checkFacts(this.#path, facts, this.#maxOctets);
        const octets = new Uint8Array(new SharedArrayBuffer(facts.size));
        let length = 0;
        while (length < octets.length) {
          const wanted = Math.min(PIECE_OCTETS, octets.length - length);
          const { bytesRead } = await file.read(octets, length, wanted, length);
          // It has become shorter meanwhile.
          if (bytesRead === 0) break;
          length += bytesRead;
        }
        return octets.subarray(0, length);
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw asProblem(this.#path, cause);
    }
  }

  async #stampNow(): Promise<string> {
    try {
      const { mtimeMs, ctimeMs, size, ino } = await stat(this.#path);
      return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
    } catch (cause) {
      return codeOf(cause);
    }
  }
}

function checkFacts(path: string, facts: Stats, maxOctets: number): void {
  if (!facts.isFile()) throw new QpsmtpdError('Q_CONFIG', `${path}: is no file (make it one)`);
  if (facts.size <= maxOctets) return;
  const remedy = 'leave in it only what belongs there';
  throw new QpsmtpdError('Q_CONFIG', `${path}: has more than ${maxOctets} octets (${remedy})`);
}

function asProblem(path: string, cause: unknown): QpsmtpdError {
  if (cause instanceof QpsmtpdError) return cause;
  const remedy = 'it has to be there and open to the user of the daemon';
  return new QpsmtpdError('Q_CONFIG', `${path}: can't be read: ${codeOf(cause)} (${remedy})`, { cause });
}

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? 'unknown';
