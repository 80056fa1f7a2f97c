/** Host names in text: both cores call by call over any cuts, and the text as a whole. */
import { HOSTS_BEGIN, HostWord, MAX_HOST_RUN, type Core } from '../../../bindings/core.ts';
import { observeHosts } from '../../core/observe.ts';
import { cutAt, receiveHosts } from '../../core/receive.ts';
import { chooseCuts, embed, mustEqual, poison, reference, wasm } from '../cores.ts';
import type { Random } from '../random.ts';
import type { Target } from '../target.ts';

export const target: Target = {
  name: 'hosts',
  dictionary: [
    'http://',
    '//',
    'http:\\\\',
    'www.example.com',
    'user:pass@',
    '@',
    '..',
    '.a',
    '[2001:db8::1]',
    '[::',
    '%2e',
    '\xc3\xbc',
    'x'.repeat(MAX_HOST_RUN),
    'x.\xff'.repeat(400),
  ],
  run(input, random) {
    const found = receiveBoth(input, random);
    poison(input.length, random);
    mustEqual(found, receiveHosts(reference, [input]), 'the cuts make a difference');
  },
};

function receiveBoth(input: Uint8Array, random: Random): number[][] {
  const records: number[][] = [];
  let state: number = HOSTS_BEGIN;
  let kept: Uint8Array = new Uint8Array(0);
  let read = 0;
  const pieces = cutAt(input, chooseCuts(input.length, random));
  for (const [index, piece] of pieces.entries()) {
    const text = Buffer.concat([kept, piece]);
    const { chunk, from: start } = embed(text, random);
    let from = start;
    for (;;) {
      poison(chunk.length, random);
      const call = (core: Core) => observeHosts(core, chunk, from, state, index === pieces.length - 1);
      const seen = call(wasm);
      mustEqual(seen, call(reference), 'wasm and reference differ');
      for (const record of seen.records) {
        const placed = [...record];
        placed[HostWord.from]! += read;
        placed[HostWord.to]! += read;
        records.push(placed);
      }
      ({ state } = seen);
      from += seen.consumed;
      read += seen.consumed;
      if (seen.consumed === 0) break;
    }
    kept = chunk.subarray(from);
  }
  return records;
}
