import { nearest } from '../hooks/nearest.ts';

/** ` (did you mean --listen?)` with the blank in front, or nothing if no candidate is near `word`. */
export function suggest(word: string, candidates: Iterable<string>): string {
  const meant = nearest(word, candidates);
  return meant === undefined ? '' : ` (did you mean ${meant}?)`;
}
