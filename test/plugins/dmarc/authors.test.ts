import { expect, test } from 'vitest';
import { randomNumbers } from '../../../host/testing/index.ts';
import { authorsOf } from '../../../plugins/dmarc/authors.ts';

test.each([
  ['a@b.example', ['b.example']],
  ['A.Name@B.Example.', ['b.example']],
  ['<a@b.example>', ['b.example']],
  ['"ceo@bank.example" <a@b.example>', ['b.example']],
  ['ceo@bank.example <a@b.example>', ['b.example']],
  ['=?utf-8?q?ceo=40bank=2Eexample?= <a@b.example>', ['b.example']],
  ['Name (ceo@bank.example (nested \\) ) comment) <a@b.example>', ['b.example']],
  ['a(comment)@(another)b.example (and one more)', ['b.example']],
  ['a@b . example', ['b.example']],
  ['"a@bank.example"@b.example', ['b.example']],
  ['"a\\"@bank.example,"@b.example', ['b.example']],
  ['<@relay.example,@other.example:a@b.example>', ['b.example']],
  ['a@bücher.example', ['xn--bcher-kva.example']],
  ['a@BÜCHER.example', ['xn--bcher-kva.example']],
  ['Group: a@b.example, c@B.EXAMPLE;', ['b.example']],
  ['a@b.example, "N" <c@b.example>', ['b.example']],
  [', a@b.example,,', ['b.example']],
  ['a@b.example, c@d.example', ['b.example', 'd.example']],
  ['Group: a@b.example;, c@d.example', ['b.example', 'd.example']],
  ['<a@b.example> <c@d.example>', ['b.example', 'd.example']],
  ['a@[192.0.2.1]', ['[192.0.2.1]']],
  ['two words a@b.example', ['b.example']],
])('RFC 9989 section 5.3.1: %s is by %s', async (field, domains) => {
  expect(await authorsOf([field])).toMatchObject({ domains, problem: undefined });
});

test.each([
  'a',
  '=?utf-8?q?ceo=40bank=2Eexample?=',
  'undisclosed:;',
  '<>',
  '<a@b.example',
  'a@b.example>',
  '"a@b.example',
  '(a@b.example',
  '<<a@b.example>>',
  '@b.example',
  'a@',
  'a@.',
  'a@b..example',
  'a@b c.example',
  'a@"b.example"',
  'a@[192.0.2.1',
  'a@b.example@c.example',
  'a@b.example, c',
  'a@b\u0000.example',
  `a@${'b.'.repeat(130)}example`,
  'a@b\\.example',
])('%s names no Author Domain', async (field) => {
  expect((await authorsOf([field])).problem).toBe('unparseable');
});

test('fields that are missing, empty or repeated are told apart from those that cannot be read', async () => {
  expect((await authorsOf([])).problem).toBe('missing');
  expect((await authorsOf([''])).problem).toBe('missing');
  expect(await authorsOf(['a@b.example', 'a@b.example'])).toEqual({
    domains: ['b.example'],
    mailboxes: 2,
    problem: 'repeated',
  });
});

test('a field as long as a header may be is read, whatever it repeats', async () => {
  const count = 40_000;
  for (const piece of ['(', '"', '<', '[', '\\', 'a@b.example,', 'a@b.example <', ':', '@', '<a@b.example>'])
    expect((await authorsOf([piece.repeat(count)])).mailboxes).toBeLessThanOrEqual(count);
});

test('whatever a field holds, it names domains that the DNS may have, or none', async () => {
  const random = randomNumbers(5_322);
  const pieces = [
    'a',
    'b.example',
    '@',
    '<',
    '>',
    ',',
    ';',
    ':',
    '"',
    '(',
    ')',
    '[',
    ']',
    '\\',
    ' ',
    '.',
    '\u00e9',
    '\u0000',
    '=?',
  ];
  for (let run = 0; run < 5_000; run++) {
    const length = 1 + Math.floor(random() * 12);
    const field = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    const { domains, mailboxes, problem } = await authorsOf([field]);
    for (const domain of domains) expect(domain).toMatch(/^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[.*\])$/s);
    expect(domains.length).toBeLessThanOrEqual(mailboxes);
    if (problem === undefined) expect(domains.length).toBeGreaterThan(0);
  }
});
