import fc from 'fast-check';
import { describe, it } from 'vitest';
import { Random } from '../fuzz/random.ts';
import { target as commands } from '../fuzz/targets/commands.ts';
import { target as data } from '../fuzz/targets/data.ts';
import { target as dns } from '../fuzz/targets/dns.ts';
import { target as hosts } from '../fuzz/targets/hosts.ts';
import { target as headers } from '../fuzz/targets/headers.ts';
import type { Target } from '../fuzz/target.ts';
import { amount } from '../amount.ts';

const LINE_ENDS = [
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  '\r\n.',
  '\r\n..',
  '\r\n.\r\n',
  '\n.\n',
  '\n.\r\n',
  '\r\n\r\n',
];
const OCTETS = ['.', '\0', '\xe9', '\xff', '\x7f', '\x01', '\t', ' ', ':', '<', '>', '@', '=', '-', 'a', 'Z'];

const longRun = fc
  .tuple(fc.constantFrom('x', '.', '\r', '\n', ' ', '\x80', 'a.', 'ab\r\n', '..\r\n'), fc.nat(1500))
  .map(([text, times]) => text.repeat(times));

/** Octets rich in line ends, dots and the pieces of `target`'s own grammar, with long lines among them. */
const inputFor = (target: Target): fc.Arbitrary<Uint8Array> =>
  fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...LINE_ENDS) },
        { weight: 6, arbitrary: fc.constantFrom(...OCTETS) },
        { weight: 6, arbitrary: fc.constantFrom(...(target.dictionary ?? [])) },
        { weight: 2, arbitrary: fc.nat(130).map((length) => 'y'.repeat(length)) },
        { weight: 1, arbitrary: longRun },
      ),
      { maxLength: 80 },
    )
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));

describe('the compiled core and the reference say the same', () => {
  it.each([data, commands, headers, dns, hosts])(
    'about $name, whatever the octets and the cuts',
    (target) => {
      fc.assert(
        fc.property(inputFor(target), fc.nat(), (input, seed) => {
          target.run(input, new Random(seed));
        }),
        { seed: 5321, numRuns: amount(400, 1_500) },
      );
    },
  );
});
