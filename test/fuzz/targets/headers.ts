/** Headers: both cores on the same block and on a part of it, and line ends folded by both. */
import { observeHeaders } from '../../core/observe.ts';
import { mustEqual, poison, reference, wasm } from '../cores.ts';
import type { Target } from '../target.ts';

export const target: Target = {
  name: 'headers',
  dictionary: [
    '\r\n\r\n',
    '\n\n',
    '\r\n ',
    '\n\t',
    ': ',
    ' :',
    'From: ',
    'Content-Transfer-Encoding: ',
    'Received: ',
  ],
  run(input, random) {
    for (const block of [input, input.subarray(0, random.below(input.length + 1))]) {
      poison(block.length, random);
      mustEqual(observeHeaders(wasm, block), observeHeaders(reference, block), 'wasm and reference differ');
      poison(block.length, random);
      const folded = wasm.toLf(block);
      if (!folded.equals(reference.toLf(block))) throw new Error('toLf differs');
    }
  },
};
