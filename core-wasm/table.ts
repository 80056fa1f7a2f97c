/** Words in linear memory: tables, slots, and what a call leaves beside its return value. */

import { RESULT } from './layout';

/** The word at `index` of the table at `base`. */
export function word(base: usize, index: i32): u32 {
  return load<u32>(base + ((<usize>index) << 2));
}

/** Sets the word at `index` of the table at `base`. */
export function setWord(base: usize, index: i32, value: u32): void {
  store<u32>(base + ((<usize>index) << 2), value);
}

/** Sets one of the `RESULT_` words. */
export function setResult(index: i32, value: u32): void {
  setWord(<usize>RESULT, index, value);
}
