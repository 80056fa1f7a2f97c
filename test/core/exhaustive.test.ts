import { describe, expect, it } from 'vitest';
import { ReferenceCore, WasmCore } from '../../bindings/core.ts';
import { judgeData } from './data-oracle.ts';
import { cutAt, receiveData } from './receive.ts';

/** Every text of `length` letters of `alphabet`. */
function* texts(alphabet: readonly string[], length: number): Generator<string> {
  if (length === 0) yield '';
  else for (const rest of texts(alphabet, length - 1)) for (const letter of alphabet) yield rest + letter;
}

describe.each([new WasmCore(), new ReferenceCore()])('$name core', (core) => {
  it('knows the end of data among all combinations of CR, LF, dot, NUL and text (RFC 5321 section 4.1.1.4)', () => {
    for (let length = 0; length <= 6; length++) {
      for (const text of texts(['\r', '\n', '.', '\0', 'a'], length)) {
        const received = receiveData(core, [Buffer.from(text, 'latin1')]);
        if (!isSame(received, judgeData(text)))
          expect(received, JSON.stringify(text)).toEqual(judgeData(text));
      }
    }
  });

  it('knows it across every cut, and across the edge of a 64-octet step', () => {
    for (const text of texts(['\r', '\n', '.', 'a'], 5)) {
      const verdict = judgeData(text);
      const input = Buffer.from(text, 'latin1');
      for (let cut = 1; cut < input.length; cut++) {
        const received = receiveData(core, cutAt(input, [cut]));
        if (!isSame(received, verdict)) expect(received, JSON.stringify([text, cut])).toEqual(verdict);
      }
      for (const before of [60, 61, 62, 63, 64]) {
        const long = 'x'.repeat(before) + text + 'y'.repeat(70);
        const received = receiveData(core, [Buffer.from(long, 'latin1')]);
        if (!isSame(received, judgeData(long)))
          expect(received, JSON.stringify(long)).toEqual(judgeData(long));
      }
    }
  });
});

/** A plain comparison: `expect` would take most of the time here. */
function isSame(a: ReturnType<typeof judgeData>, b: ReturnType<typeof judgeData>): boolean {
  return (
    a.content === b.content &&
    a.flags === b.flags &&
    a.octets === b.octets &&
    a.longest === b.longest &&
    a.end === b.end
  );
}
