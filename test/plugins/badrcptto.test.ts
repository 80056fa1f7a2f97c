import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import badrcptto from '../../plugins/badrcptto.ts';

const config = { badrcptto: ['Bad@Local.example', '@Gone.example Moved away', '^\\S+-OLD@'] };

test.each([
  ['<BAD@local.example>', 'DENY mail to Bad@Local.example not accepted here (#1.1)'],
  ['<any@gone.example>', 'DENY Moved away'],
  // Both the class \S and the capitals of the pattern mean what they say.
  ['<joe-old@local.example>', 'DENY mail to ^\\S+-OLD@ not accepted here (#1.1)'],
  ['<good@local.example>', 'DECLINED'],
  ['<postmaster>', 'DECLINED'],
])('badrcptto: RCPT TO:%s is answered with %s', async (path, answer) => {
  const { ask, session } = testPlugin(badrcptto, { config });
  expect(printVerdict(await ask('rcpt', path))).toBe(answer);
  expect(session.connection.karma).toBe(answer === 'DECLINED' ? 0 : -2);
});

test('badrcptto: the topmost line that matches gives the text', async () => {
  const lists = [
    ['^a@ first', 'a@x.example second', '@x.example third'],
    ['a@x.example first', '@x.example second', '^a@ third'],
    ['@x.example first', 'a@x.example second', 'a@x.example third'],
  ];
  for (const badrcpttoLines of lists) {
    const { ask } = testPlugin(badrcptto, { config: { badrcptto: badrcpttoLines } });
    expect(printVerdict(await ask('rcpt', '<a@x.example>'))).toBe('DENY first');
  }
});

test('badrcptto skips relay clients and takes no reject option', async () => {
  const { ask, session } = testPlugin(badrcptto, { config });
  session.connection.relayClient = true;
  expect(printVerdict(await ask('rcpt', '<bad@local.example>'))).toBe('DECLINED');
  expect(() => testPlugin(badrcptto, { config, options: 'reject 0' })).toThrow('unknown option `reject`');
});
