import { expect, test } from 'vitest';
import { testPlugin, printVerdict, TestServer } from '../../host/testing/index.ts';
import { definePlugin, deny, fail, withReplyCode, type Verdict } from '../../bindings/plugin/index.ts';

test('a refusal may have a reply code of its own, with or without a text. RFC 5321 section 4.2.4', async () => {
  const refuse = (text?: string) => withReplyCode(deny(text), 502);
  for (const [verdict, reply] of [
    [refuse('Not here'), '502 Not here'],
    [refuse(), '502 Syntax error, command not recognized'],
  ] as const) {
    const server = await TestServer.start({
      plugins: [definePlugin({ name: 'no_help', about: 'Refuses HELP.', hooks: { help: () => verdict } })],
    });
    const client = await server.greeted();
    expect(await client.say('HELP')).toBe(reply);
    await server.close();
  }
});

test.each([250, 600, 451.5, NaN])('the reply code %s is garbage: it counts as no opinion', async (code) => {
  const verdict: Verdict = { ...deny('x'), replyCode: code };
  const { ask, log } = testPlugin(
    definePlugin({ name: 'odd', about: 'Returns garbage.', hooks: { noop: () => verdict } }),
  );
  expect(printVerdict(await ask('noop'))).toBe('DECLINED');
  expect(log[0]).toContain('Plugin odd, hook noop returned');
});

test.each([
  ['', 'DENYSOFT'],
  ['reject_type hard', 'DENYSOFT'],
  ['reject_type temp', 'DENYSOFT'],
  ['reject_type disconnect', 'DENYSOFT_DISCONNECT'],
  ['reject_type temp_disconnect', 'DENYSOFT_DISCONNECT'],
  ['reject 0', 'DECLINED'],
])('a temporary finding is never refused for good: %s gives %s', async (line, code) => {
  const check = definePlugin({
    name: 'check',
    about: 'Cannot be made now.',
    rejects: { reject: '1' },
    hooks: { connect: () => fail('come back', { isTemporary: true }) },
  });
  const { ask } = testPlugin(check, { options: line });
  expect(printVerdict(await ask('connect'))).toBe(code === 'DECLINED' ? code : `${code} come back`);
});
