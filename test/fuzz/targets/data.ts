/** Mail data: both cores call by call, and the message as a whole against the rules as text searches. */
import { judgeData, type DataVerdict } from '../../core/data-oracle.ts';
import { contentOf, observeData } from '../../core/observe.ts';
import { cutAt } from '../../core/receive.ts';
import { chooseCuts, embed, mustEqual, poison, reference, wasm } from '../cores.ts';
import type { Random } from '../random.ts';
import type { Target } from '../target.ts';

export const target: Target = {
  name: 'data',
  dictionary: ['\r\n.\r\n', '\r\n..', '\n.\n', '\n.\r\n', '\r\n.\n', '\r\n.\r', '\r.\r', 'x'.repeat(62)],
  run(input, random) {
    const verdict = receiveBoth(input, random);
    mustEqual(
      verdict,
      judgeData(Buffer.from(input).latin1Slice()),
      'the cores agree, but not with the rules',
    );
  },
};

function receiveBoth(input: Uint8Array, random: Random): DataVerdict {
  const slots = { wasm: wasm.openData(), reference: reference.openData() };
  const parts: Uint8Array[] = [];
  let verdict = { flags: 0, octets: 0, longest: 0, end: -1 };
  let read = 0;
  for (const piece of cutAt(input, chooseCuts(input.length, random))) {
    const { chunk, from: start } = embed(piece, random);
    for (let from = start; verdict.end === -1 && (from < chunk.length || random.isOneIn(8));) {
      poison(chunk.length, random);
      const seen = observeData(wasm, slots.wasm, chunk, from);
      mustEqual(seen, observeData(reference, slots.reference, chunk, from), 'wasm and reference differ');
      parts.push(contentOf(seen, chunk, from));
      from += seen.consumed;
      read += seen.consumed;
      const { flags, octets, longest } = seen;
      verdict = { flags, octets, longest, end: seen.ended ? read : -1 };
    }
  }
  wasm.closeData(slots.wasm);
  reference.closeData(slots.reference);
  return { content: Buffer.concat(parts).latin1Slice(), ...verdict };
}
