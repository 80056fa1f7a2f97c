/**
 * The keys of the index. A job is the recipients of one message at one destination: what one attempt is about.
 *
 *     m/ID                     a message
 *     s/ID/DEST                a job, and where it stands
 *     r/DEST/ORDER/ID          it is ready, oldest first
 *     w/MS/DEST/ID             it waits until then
 *     a/MS/DEST/ID             its age matters then
 *     c/DEST/ID                somebody works on it: the lease
 *     o/DEST                   the destination is open: it may have ready jobs
 *     d/DEST                   it failed; what is ready waits with it
 *     p/MS/DEST                it is opened again then
 *     u/ID/DEST                what could not be written to the file
 *     n                        how much there was when it was counted
 *     n/PART                   how much more, or less, there is since: several, so that processes seldom meet
 */

import { createHash } from 'node:crypto';

/** Longer keys than LMDB's would be refused; a name in UTF-8 takes three times its octets. */
const MAX_DESTINATION = 600;
const MS_DIGITS = 15;

/** A destination as a part of a key: no slash, ASCII alone; half a surrogate pair becomes U+FFFD. */
export function keyPart(destination: string): string {
  const part = encodeURIComponent(Buffer.from(destination, 'utf8').toString('utf8'));
  return part.length <= MAX_DESTINATION
    ? part
    : `sha256:${createHash('sha256').update(destination).digest('hex')}`;
}

const ms = (at: number): string => String(Math.max(0, Math.floor(at))).padStart(MS_DIGITS, '0');

/** All take destinations as `keyPart` made them. */
export const keys = {
  totals: 'n',
  total: (part: number): string => `n/${part}`,
  message: (id: string): string => `m/${id}`,
  job: (id: string, dest: string): string => `s/${id}/${dest}`,
  jobs: (id: string): string => `s/${id}/`,
  ready: (dest: string, order: string, id: string): string => `r/${dest}/${order}/${id}`,
  readyAt: (dest: string): string => `r/${dest}/`,
  waiting: (at: number, dest: string, id: string): string => `w/${ms(at)}/${dest}/${id}`,
  age: (at: number, dest: string, id: string): string => `a/${ms(at)}/${dest}/${id}`,
  claim: (dest: string, id: string): string => `c/${dest}/${id}`,
  claims: (dest: string): string => `c/${dest}/`,
  open: (dest: string): string => `o/${dest}`,
  destination: (dest: string): string => `d/${dest}`,
  unwritten: (id: string, dest: string): string => `u/${id}/${dest}`,
  allUnwritten: (id: string): string => `u/${id}/`,
  opening: (at: number, dest: string): string => `p/${ms(at)}/${dest}`,
} as const;

/** What a key tells something about. */
export interface KeyOwner {
  readonly kind: 'message' | 'destination' | 'total';
  readonly name: string;
}

export function ownerOf(key: string): KeyOwner {
  const [first = '', second = '', third = ''] = partsOf(key);
  switch (key[0]) {
    case 'm':
    case 's':
    case 'u':
      return { kind: 'message', name: first };
    case 'c':
      return { kind: 'message', name: second };
    case 'r':
    case 'w':
    case 'a':
      return { kind: 'message', name: third };
    case 'p':
      return { kind: 'destination', name: second };
    case 'o':
    case 'd':
      return { kind: 'destination', name: first };
    default:
      return { kind: 'total', name: first };
  }
}

/** The parts after the letter. */
export const partsOf = (key: string): readonly string[] => key.split('/').slice(1);

/** True if the moment in a key of `w/`, `a/` or `p/` has come. */
export const isDue = (key: string, nowMs: number): boolean => Number(partsOf(key)[0]) <= nowMs;
