import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CanonicalBody, PartHash, type Canonicalization } from '../../plugins/mailauth/body-digest.ts';

interface Digested {
  readonly hash: string;
  readonly octets: number;
}

/** The canonical form in whole strings, as the RFC words it. */
function canonical(body: string, kind: Canonicalization): string {
  const lines = body
    .split('\r\n')
    .map((line) => (kind === 'simple' ? line : line.replace(/[ \t]+/g, ' ').replace(/ $/, '')));
  const text = lines.join('\r\n').replace(/(\r\n)+$/, '');
  if (text === '') return kind === 'simple' ? '\r\n' : '';
  return `${text}\r\n`;
}

function digested(body: string, kind: Canonicalization, cuts: readonly number[], limit?: number): Digested {
  const canonicalBody = new CanonicalBody(kind);
  const part = new PartHash('sha256', limit);
  canonicalBody.parts.push(part);
  const octets = Buffer.from(body, 'latin1');
  for (let at = 0, index = 0; at < octets.length; index++) {
    const end = at + (cuts.length === 0 ? octets.length : cuts[index % cuts.length]!);
    canonicalBody.update(octets.subarray(at, end));
    at = end;
  }
  canonicalBody.finish();
  return { hash: part.digest(), octets: canonicalBody.octets };
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('base64');

test.each([
  ['relaxed', ' C \r\nD \t E\r\n', ' C\r\nD E\r\n'],
  ['simple', ' C \r\nD \t E\r\n\r\n\r\n', ' C \r\nD \t E\r\n'],
  ['simple', '', '\r\n'],
  ['relaxed', '', ''],
  ['relaxed', ' \r\n\t\r\n', ''],
  ['simple', 'a', 'a\r\n'],
  ['relaxed', 'a', 'a\r\n'],
] as const)('RFC 6376 sections 3.4.3 to 3.4.5: %s form of %j is %j', (kind, body, form) => {
  expect(digested(body, kind, [])).toEqual({ hash: sha256(form), octets: form.length });
});

test('RFC 6376 section 3.4: the hash is that of the canonical form, however a body is cut and wherever l= ends', () => {
  const piece = fc.constantFrom('a', 'bc', ' ', '\t', '  ', '\r\n', '\r\n\r\n', '\xe9');
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 5 }),
      fc.constantFrom<Canonicalization>('simple', 'relaxed'),
      fc.option(fc.nat(30), { nil: undefined }),
      (pieces, cuts, kind, limit) => {
        const body = pieces.join('');
        const form = canonical(body, kind);
        expect(digested(body, kind, cuts, limit)).toEqual({
          hash: sha256(limit === undefined ? form : form.slice(0, limit)),
          octets: form.length,
        });
      },
    ),
    { numRuns: 2_000 },
  );
});
