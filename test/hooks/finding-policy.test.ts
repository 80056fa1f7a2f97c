import { expect, test } from 'vitest';
import {
  definePlugin,
  fail,
  naughty,
  naughtyRejectType,
  pass,
  skip,
  z,
  type Finding,
} from '../../bindings/plugin/index.ts';
import { MAX_DEFERRED } from '../../host/hooks/finding-policy.ts';
import { given, words } from './plugin-context.ts';

const check = (answers: Finding[]) =>
  definePlugin({ name: 'check', about: '', rejects: {}, hooks: { connect: () => answers.shift() } });

test.each([
  [pass(), 'pass'],
  [pass('clean'), 'pass, clean'],
  [skip('relay client'), 'skip, relay client'],
  [fail('go away'), 'fail, go away'],
  [fail('go away', { log: 'score 7' }), 'fail, score 7'],
])('a finding is logged in the words log analysers know: %o', async (finding, line) => {
  const { ask, log } = given(check([finding]));
  await ask('connect');
  expect(log).toEqual([`[c1] (connect) check: ${line}`]);
});

test.each([
  ['reject 0', 'fail, tolerated, go away'],
  ['reject naughty', 'fail, NAUGHTY, go away'],
])('%s: the failure goes by without a refusal, and is logged as `%s`', async (line, expected) => {
  const { ask, log } = given(check([fail('go away', { status: '7.1' })]), { words: line });
  expect(words(await ask('connect'))).toBe('DECLINED');
  expect(log).toEqual([`[c1] (connect) check: ${expected}`]);
});

test('a refusal keeps the status apart from the text, and has a text in any case', async () => {
  const { ask } = given(check([fail('go away', { status: '7.1' }), fail('')]));
  expect(words(await ask('connect'))).toBe('DENY go away (#7.1)');
  expect(words(await ask('connect'))).toBe('DENY unspecified error');
});

test('reject naughty collects reasons once each, and the first reject_type given', async () => {
  const findings = [fail('one'), fail('two'), fail('one')];
  const { ask, session } = given(check(findings), { words: 'reject naughty reject_type temp' });
  for (let count = 0; count < 3; count++) await ask('connect');
  expect(session.connection.notes.get(naughty)).toEqual(['(check) one', '(check) two']);
  expect(session.connection.notes.get(naughtyRejectType)).toBe('temp');
});

test('a client cannot make the collection of reasons grow without end', async () => {
  const findings = Array.from({ length: 500 }, (_, count) => fail(`reason ${count}`));
  const { ask, session } = given(check(findings), { words: 'reject naughty' });
  for (let count = 0; count < 500; count++) await ask('connect');
  expect(session.connection.notes.get(naughty)).toHaveLength(MAX_DEFERRED);
});

test('an option of the plugin by the name of a shared one is the plugin’s own', () => {
  const naughtyLike = definePlugin({
    name: 'n',
    about: '',
    options: z.object({ reject: z.enum(['mail', 'rcpt']).default('rcpt') }),
    hooks: {},
  });
  expect(given(naughtyLike, { words: 'reject mail' }).plugin.options).toEqual({ reject: 'mail' });
  expect(() => given(naughtyLike, { words: 'reject 1' })).toThrow('reject:');
});
