/** Comparing secrets without telling by the time it takes how much of a guess was right. */

import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/** True if both are the same; takes as long whatever they have in common. */
export const isSameSecret = (left: string, right: string): boolean =>
  timingSafeEqual(digest(left), digest(right));

/** The same for octets; false at once if their numbers differ, which are no secret. */
export const areSameOctets = (left: Buffer, right: Buffer): boolean =>
  left.length === right.length && timingSafeEqual(left, right);
