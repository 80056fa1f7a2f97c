import { deepStrictEqual } from 'node:assert/strict';
import { ReferenceCore, WasmCore } from '../../bindings/core.ts';
import { poisonInput } from '../core/poison.ts';
import type { Random } from './random.ts';

/** Both implementations, one pair for the process: what an earlier input left in the memory is part of the test. */
export const wasm = new WasmCore();
export const reference = new ReferenceCore();

export { deepStrictEqual as mustEqual };

/** Leaves hostile octets where the next call must not look. */
export const poison = (length: number, random: Random): void => {
  poisonInput(wasm, length, random.below(64));
};

/** The same octets with others in front of them, and where they begin: for the `from` of a call. */
export function embed(octets: Uint8Array, random: Random): { chunk: Uint8Array; from: number } {
  if (random.isOneIn(2)) return { chunk: octets, from: 0 };
  const from = 1 + random.below(random.isOneIn(4) ? 4_000 : 8);
  const chunk = new Uint8Array(from + octets.length).fill(random.pick([0x0a, 0x0d, 0x2e, 0xff]));
  chunk.set(octets, from);
  return { chunk, from };
}

/** Long inputs in tiny chunks would take all the time there is. */
const MAX_CHUNKS = 400;

/** Ascending positions to cut at; from none to very many. */
export function chooseCuts(length: number, random: Random): readonly number[] {
  const typical = Math.max(random.pick([1, 3, 16, 64, 300, 2_000, 70_000]), Math.ceil(length / MAX_CHUNKS));
  const cuts: number[] = [];
  for (let at = random.below(typical + 1); at < length; at += 1 + random.below(2 * typical)) cuts.push(at);
  return cuts;
}
