import { expect, expectTypeOf, test } from 'vitest';
import type { hookFacts } from '../../bindings/plugin/hook-facts.ts';
import {
  connectionNote,
  definePlugin,
  deny,
  denyDisconnect,
  denySoft,
  denySoftDisconnect,
  dsn,
  fail,
  ok,
  pass,
  refusal,
  transactionNote,
  wholeNumber,
  z,
  type Address,
  type HookContext,
  type HookName,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { HOOK_NAMES, type HookArguments, type SessionHookName } from '../../bindings/plugin/hooks.ts';
import { Notes } from '../../bindings/plugin/notes.ts';

test('options reach hooks with the type their schema gives them', () => {
  definePlugin({
    name: 'typed',
    about: '',
    options: z.object({ max: wholeNumber(1, 9).default(4), zone: z.string().optional() }),
    positional: ['max'],
    hooks: {
      mail({ options }, reversePath) {
        expectTypeOf(options).toEqualTypeOf<{ max: number; zone?: string | undefined }>();
        expectTypeOf(reversePath).toEqualTypeOf<Address>();
      },
      logging(context) {
        expectTypeOf(context).not.toHaveProperty('connection');
      },
    },
  });
});

test('what is no hook, no option or no answer does not compile', () => {
  // @ts-expect-error -- there is no hook of that name
  definePlugin({ name: 'a', about: '', hooks: { mial: () => undefined } });
  // @ts-expect-error -- only options may be given by place
  definePlugin({ name: 'b', about: '', options: z.object({ a: z.string() }), positional: ['b'], hooks: {} });
  // @ts-expect-error -- a return code is not a verdict
  definePlugin({ name: 'c', about: '', hooks: { mail: () => 901 } });
  // @ts-expect-error -- the finding policy knows no other words
  definePlugin({ name: 'd', about: '', rejects: { reject: 'maybe' }, hooks: {} });
  definePlugin({ name: 'e', about: '', hooks: { mail: () => (Math.abs(1) === 1 ? deny('no') : pass()) } });
});

test('a status is subject and detail of RFC 3463, without the class', () => {
  expect(deny('no', '7.1').status).toBe('7.1');
  expect(Object.values(dsn).map((make) => make().status)).not.toContain(undefined);
  denySoft('full', '2.2');
  denyDisconnect('no', '7.30');
  fail('no', { status: '0.0' });
  // @ts-expect-error -- there is no such subject
  deny('no', '8.1');
  // @ts-expect-error -- the class follows from the reply code
  deny('no', '5.7.1');
  // @ts-expect-error -- a detail is a number
  denySoft('no', '7.x');
  // @ts-expect-error -- without leading zeros, section 2
  denyDisconnect('no', '7.01');
  // @ts-expect-error -- the detail is missing
  denySoftDisconnect('no', '7');
  // @ts-expect-error -- a finding has the same kind of status
  fail('no', { status: '9.0' });
  // @ts-expect-error -- and so has OK
  ok('yes', 'fine');
  // @ts-expect-error -- and a refusal that the line chooses
  refusal('perm', 'no', '7,1');
});

test('notes keep their type and their lifetime', () => {
  const count = connectionNote<number>('count');
  const forTransaction = transactionNote<string>('text');
  const notes = new Notes<'connection'>();
  notes.set(count, 1);
  expectTypeOf(notes.get(count)).toEqualTypeOf<number | undefined>();
  // @ts-expect-error -- the note holds a number
  notes.set(count, 'one');
  // @ts-expect-error -- the note vanishes with the transaction
  notes.set(forTransaction, 'text');
  expect(notes.get(count)).toBe('one');
});

test('hooks outside sessions get no session, and no hook is told more than the runner passes on', () => {
  expectTypeOf<HookContext>().toExtend<Omit<Setup<unknown>, 'onClose' | 'onCheck'>>();
  // A session that registered something would have it kept until the configuration is read again.
  expectTypeOf<HookContext>().not.toHaveProperty('onClose');
  expectTypeOf<HookContext>().not.toHaveProperty('onCheck');
  expectTypeOf<HookArguments[SessionHookName]['length']>().toEqualTypeOf<0 | 1 | 2>();
  expectTypeOf<(typeof HOOK_NAMES)[number]>().toEqualTypeOf<HookName>();
  expect(new Set(HOOK_NAMES).size).toBe(HOOK_NAMES.length);
  expect(HOOK_NAMES).toHaveLength(43);
});

test('the reference tells of each argument, and by its type', () => {
  const told = ['verb', 'string', ''] as const;
  const facts: (typeof hookFacts)['unrecognized_command'] = { asked: '', told: [told, told] };
  expect(facts.told).toHaveLength(2);
  // @ts-expect-error -- there are two arguments
  void ({ asked: '', told: [told] } satisfies (typeof hookFacts)['unrecognized_command']);
  // @ts-expect-error -- the first is an address
  void ({ asked: '', told: [told, ['parameters', 'Parameters', '']] } satisfies (typeof hookFacts)['rcpt']);
});

test('a verdict has lines, never empty ones', () => {
  expect(ok('a\nb\r\n\n').lines).toEqual(['a', 'b']);
  expect(deny().lines).toEqual([]);
});
