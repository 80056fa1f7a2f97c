import { expect, test } from 'vitest';
import badrcptto from '../../plugins/badrcptto.ts';
import { address, given, NO_PARAMETERS, words } from './plugin-context.ts';

const files = { badrcptto: ['Bad@Local.example', '@Gone.example Moved away', '^\\S+-OLD@'] };

test.each([
  ['<BAD@local.example>', 'DENY mail to Bad@Local.example not accepted here (#1.1)'],
  ['<any@gone.example>', 'DENY Moved away'],
  // Both the class \S and the capitals of the pattern mean what they say.
  ['<joe-old@local.example>', 'DENY mail to ^\\S+-OLD@ not accepted here (#1.1)'],
  ['<good@local.example>', 'DECLINED'],
  ['<postmaster>', 'DECLINED'],
])('badrcptto: RCPT TO:%s is answered with %s', async (path, answer) => {
  const { ask, session } = given(badrcptto, { files });
  expect(words(await ask('rcpt', address(path), NO_PARAMETERS))).toBe(answer);
  expect(session.connection.karma).toBe(answer === 'DECLINED' ? 0 : -2);
});

test('badrcptto: the topmost line that matches gives the text', async () => {
  const lists = [
    ['^a@ first', 'a@x.example second', '@x.example third'],
    ['a@x.example first', '@x.example second', '^a@ third'],
    ['@x.example first', 'a@x.example second', 'a@x.example third'],
  ];
  for (const badrcpttoLines of lists) {
    const { ask } = given(badrcptto, { files: { badrcptto: badrcpttoLines } });
    expect(words(await ask('rcpt', address('<a@x.example>'), NO_PARAMETERS))).toBe('DENY first');
  }
});

test('badrcptto skips relay clients and takes no reject option', async () => {
  const { ask, session } = given(badrcptto, { files });
  session.connection.relayClient = true;
  expect(words(await ask('rcpt', address('<bad@local.example>'), NO_PARAMETERS))).toBe('DECLINED');
  expect(() => given(badrcptto, { files, words: 'reject 0' })).toThrow('unknown option `reject`');
});
