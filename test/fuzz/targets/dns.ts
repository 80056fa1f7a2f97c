/** Replies of the DNS: both cores on the same message, whole and cut off. */
import { observeDns } from '../../core/observe.ts';
import { mustEqual, poison, reference, wasm } from '../cores.ts';
import type { Target } from '../target.ts';

/** Pieces of records, and pointers to the question and to themselves. */
export const target: Target = {
  name: 'dns',
  dictionary: [
    '\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0',
    '\x07example\x03com\0',
    '\0\x01\0\x01\0\0\x0e\x10\0\x04\x7f\0\0\x02',
    '\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x0c',
    '\0\x10\0\x01\0\0\0\x3c\0\x06\x05v=spf',
    '\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x0c',
    '\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05',
    '\0\0\x29\x04\xd0\x01\0\0\0\0\0',
    '\xc0\x0c',
    '\xff\xff',
  ],
  run(input, random) {
    for (const message of [input, input.subarray(0, random.below(input.length + 1))]) {
      poison(message.length, random);
      mustEqual(observeDns(wasm, message), observeDns(reference, message), 'wasm and reference differ');
    }
  },
};
