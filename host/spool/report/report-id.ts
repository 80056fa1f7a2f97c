import { createHash } from 'node:crypto';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 20;

/**
 * The id of a report, made from what it is about: an attempt that a crash interrupted after its report, and that is
 * made again, finds the report there and does not send a second one.
 */
export function reportId(...about: readonly (string | number)[]): string {
  const digest = createHash('sha256').update(about.join(' ')).digest();
  let id = '';
  for (let digit = 0; digit < LENGTH; digit++) id += DIGITS[digest[digit]! % 62]!;
  return id;
}
