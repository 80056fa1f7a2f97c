/** A body of JSON, read as a whole into memory: bounded by itself, and together with all others. */

import type { Readable } from 'node:stream';
import { decodeText } from '../../bindings/wire/base64.ts';
import { InjectionProblem } from './problems.ts';

/** How many bodies of the largest size may be in memory at a time; each takes its size several times while it is worked on. */
const LARGEST_AT_A_TIME = 2;
const CLOSE = { connection: 'close' };

/** The octets of bodies that are in memory. One for all listeners of the process. */
export class BodyRoom {
  #octets = 0;

  get octets(): number {
    return this.#octets;
  }

  /** Takes room for a body; the function that is returned gives it back. Throws a problem if there is none. */
  take(octets: number, limit: number): () => void {
    if (octets > limit)
      throw new InjectionProblem(
        'too-large',
        `the body is larger than ${limit} octets; raw messages may be`,
        CLOSE,
      );
    if (this.#octets + octets > limit * LARGEST_AT_A_TIME)
      throw new InjectionProblem('busy', 'other large requests are under way', CLOSE);
    this.#octets += octets;
    let isTaken = true;
    return () => {
      if (isTaken) this.#octets -= octets;
      isTaken = false;
    };
  }
}

/** Reads all of it. Throws a problem if it is larger than `limit`, and an abort if it breaks off. */
export function readWhole(source: Readable, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const blocks: Buffer[] = [];
    let octets = 0;
    const settle = (settled: () => void): void => {
      source.off('data', take).off('end', end).off('close', broken);
      source.pause();
      settled();
    };
    const take = (block: Buffer): void => {
      octets += block.length;
      if (octets <= limit) blocks.push(block);
      else
        settle(() =>
          reject(new InjectionProblem('too-large', `the body is larger than ${limit} octets`, CLOSE)),
        );
    };
    const end = (): void => settle(() => resolve(Buffer.concat(blocks)));
    const broken = (): void =>
      settle(() => reject(new InjectionProblem('malformed', 'the body broke off', CLOSE)));
    source.on('error', () => undefined);
    source.on('data', take).on('end', end).on('close', broken);
  });
}

export function parseJson(octets: Buffer): unknown {
  const text = decodeText(octets);
  if (text === undefined) throw new InjectionProblem('malformed', 'the body is not UTF-8');
  try {
    return JSON.parse(text);
  } catch {
    // Its message would quote the body.
    throw new InjectionProblem('malformed', 'the body is not JSON');
  }
}
