/** What an option says about the systems it is meant for: `genre,windows,distance,3`. */

import { compilePattern } from '../lists/pattern.ts';
import type { Fingerprint } from './well-known-notes.ts';

type Test = (system: Fingerprint) => boolean;

/**
 * Compiles pairs of field and value. One that matches is enough: `genre`, `link` and `detail` by a pattern without regard
 * to case, `uptime` if it is less, `distance` if it is more. What p0f does not know matches nothing. Throws an Error
 * that quotes a pair it does not understand.
 */
export function compileFingerprintTerms(terms: string): Test {
  const parts = terms.split(',');
  const tests = parts.flatMap((kind, index) =>
    index % 2 === 0 ? [compileTerm(kind, parts[index + 1] ?? '')] : [],
  );
  return (system) => tests.some((test) => test(system));
}

function compileTerm(kind: string, value: string): Test {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  if (kind === 'distance' && number !== undefined) return ({ distance }) => distance > number;
  if (kind === 'uptime' && number !== undefined) return ({ uptime }) => uptime > 0 && uptime < number;
  if ((kind !== 'genre' && kind !== 'link' && kind !== 'detail') || value === '') {
    throw new Error(
      `\`${kind},${value}\` is none of genre,TEXT link,TEXT detail,TEXT uptime,NUMBER distance,NUMBER`,
    );
  }
  const pattern = compilePattern(value, { ignoreCase: true });
  return (system) => (system[kind] ?? '') !== '' && pattern.test(system[kind] ?? '');
}
