/** Names of stored messages. They are file names as well, so nothing but letters and digits is ever let through. */

import { randomInt } from 'node:crypto';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Base 62: seven digits of milliseconds last until the year 2081, twelve of chance are 71 bits. */
const TIME_DIGITS = 8;
const CHANCE_DIGITS = 12;

/**
 * Sorts by time in a listing of the folder; the rest can't be guessed, so that no client can name another's message.
 */
export function newSpoolId(nowMs: number): string {
  let time = '';
  for (let left = Math.floor(nowMs), digit = 0; digit < TIME_DIGITS; digit++) {
    time = DIGITS[left % 62]! + time;
    left = Math.floor(left / 62);
  }
  let chance = '';
  for (let digit = 0; digit < CHANCE_DIGITS; digit++) chance += DIGITS[randomInt(62)]!;
  return time + chance;
}

/** False for a name that could leave the folder (`../../etc/passwd`) or is no message's. */
export const isSpoolId = (text: string): boolean => /^[0-9A-Za-z]{20}$/.test(text);
