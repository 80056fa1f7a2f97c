/** What plugins begin while one that stands before them is waited for. */

import { describe, expect, test } from 'vitest';
import {
  definePlugin,
  deny,
  hooksOf,
  LogLevel,
  ok,
  transactionTask,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import type { Hooks } from '../../bindings/plugin/hooks.ts';
import { setUpPlugin } from '../../host/hooks/loaded-plugin.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import { testPlugin } from '../../host/testing/index.ts';
import {
  address,
  collectingLogger,
  fakeConfig,
  fakeServices,
  FakeSession,
  NO_PARAMETERS,
  words,
} from './plugin-context.ts';

/** Plugins p1, p2 and so on, asked about MAIL. */
function chainOf(
  given: (Hooks<unknown> | PluginDefinition)[],
  { isBuiltIn = true }: { readonly isBuiltIn?: boolean } = {},
) {
  const { logger, lines: log } = collectingLogger(LogLevel.NOTICE);
  const environment = { config: fakeConfig({}), services: fakeServices(), logger };
  const plugins = given.map((one, index) => {
    const name = `p${index + 1}`;
    const line = parsePluginLine({ text: name, place: { file: 'plugins', line: index + 1 } });
    const definition = 'hooks' in one ? { ...one, name } : { name, about: '', hooks: one };
    return setUpPlugin(definition, line, environment, { isBuiltIn });
  });
  const runner = new HookRunner(plugins, logger);
  const session = new FakeSession();
  const mail = async (): Promise<string> =>
    words(await runner.run('mail', session, address('<a@b.example>'), NO_PARAMETERS));
  return { runner, session, log, mail };
}

/** Hooks that write down when they are called. */
function witness(
  calls: string[],
  name: string,
  mail: Hooks<unknown>['mail'] = () => undefined,
): Hooks<unknown> {
  return {
    begins: { mail: () => void calls.push(`${name} begins`) },
    mail: (...args) => (calls.push(name), mail(...args)),
  };
}

const later = async (): Promise<undefined> => undefined;

describe('order', () => {
  test('all plugins after the first that is waited for begin before it answers, once', async () => {
    const calls: string[] = [];
    const { mail } = chainOf([
      witness(calls, '1'),
      witness(calls, '2', async () => {
        await Promise.resolve();
        calls.push('2 has waited');
        return undefined;
      }),
      witness(calls, '3', later),
      { mail: () => void calls.push('4') },
      witness(calls, '5'),
    ]);
    expect(await mail()).toBe('DECLINED');
    expect(calls).toEqual(['1', '2', '3 begins', '5 begins', '2 has waited', '3', '4', '5']);
  });

  test('nobody begins early where nobody is waited for, and none after a refusal', async () => {
    const calls: string[] = [];
    const { mail } = chainOf([
      witness(calls, '1'),
      witness(calls, '2', () => deny('no')),
      witness(calls, '3', later),
    ]);
    expect(await mail()).toBe('DENY no');
    expect(calls).toEqual(['1', '2']);
  });

  test('a hook `ok` that is waited for counts as well', async () => {
    const calls: string[] = [];
    const { mail } = chainOf([{ mail: () => undefined }, { ok: later }, witness(calls, '3')]);
    await mail();
    expect(calls).toEqual(['3 begins', '3']);
  });

  test('chains without `begins` stay as they were: no step has one, and no promise is made', () => {
    const { runner, session } = chainOf([{ mail: () => undefined }, { mail: () => ok() }]);
    const verdict = runner.run('mail', session, address('<a@b.example>'), NO_PARAMETERS);
    expect(verdict).not.toBeInstanceOf(Promise);
  });

  test('it is told what the hook is told, and its tasks are those of the hook', async () => {
    const task = transactionTask<string>('lookup');
    const { mail } = chainOf([
      { mail: later },
      {
        begins: { mail: ({ tasks }, { domain }) => tasks.start(task, () => domain) },
        mail: async ({ tasks }) => deny(`${await tasks.result(task)}`),
      },
    ]);
    expect(await mail()).toBe('DENY b.example');
  });
});

describe('failures', () => {
  const broken = (): never => {
    throw new RangeError('broken');
  };

  test.each([true, false])(
    'what it throws is logged, and the hook is asked (built in: %s)',
    async (isBuiltIn) => {
      const { mail, log, runner } = chainOf(
        [{ mail: later }, { begins: { mail: broken }, mail: () => deny('of the hook') }],
        { isBuiltIn },
      );
      expect(await mail()).toBe('DENY of the hook');
      expect(log).toHaveLength(1);
      expect(log[0]).toContain('FATAL PLUGIN ERROR [p2]: hook begins.mail: RangeError: broken');
      expect(runner.statistics()).toMatchObject([
        { plugin: 'p1', failures: 0 },
        { plugin: 'p2', hook: 'mail', calls: 1, failures: 1 },
      ]);
    },
  );

  test('what it rejects with is no unhandled rejection', async () => {
    const begins = { mail: async () => broken() } as unknown as Hooks<unknown>['begins'];
    const { mail, log } = chainOf([{ mail: later }, { begins: begins!, mail: later }]);
    expect(await mail()).toBe('DECLINED');
    expect(log[0]).toContain('hook begins.mail: RangeError: broken');
  });

  test('ten failures in a row take it out, and leave the hook in', async () => {
    let asked = 0;
    const { mail, log, runner } = chainOf([
      { mail: later },
      { begins: { mail: broken }, mail: () => void asked++ },
    ]);
    for (let round = 0; round < 12; round++) await mail();
    expect(log.filter((line) => line.includes('broken'))).toHaveLength(10);
    expect(log.at(-1)).toContain('Plugin p2 failed again and again: out of hook begins.mail for 30 s');
    expect(asked).toBe(12);
    expect(runner.statistics()[1]).toMatchObject({ failures: 10, trips: 1, isOut: true });
  });

  test('a plugin that is out of the hook begins nothing', async () => {
    let begun = 0;
    const { mail } = chainOf([{ mail: later }, { begins: { mail: () => void begun++ }, mail: broken }]);
    for (let round = 0; round < 12; round++) await mail();
    expect(begun).toBe(10);
  });
});

describe('skipsImmune', () => {
  test.each<[NonNullable<PluginDefinition['skipsImmune']>, string[]]>([
    [true, []],
    [['mail'], []],
    [['rcpt'], ['begins', 'mail']],
  ])('%s', async (skipsImmune, expected) => {
    const calls: string[] = [];
    const hooks: Hooks<unknown> = {
      begins: { mail: () => void calls.push('begins') },
      mail: () => void calls.push('mail'),
    };
    const { mail, session } = chainOf([
      { mail: later },
      definePlugin({ name: 'p', about: '', skipsImmune, hooks }),
    ]);
    session.connection.relayClient = true;
    await mail();
    expect(calls).toEqual(expected);
  });

  test('who builds on such a plugin spares them too', async () => {
    const calls: string[] = [];
    const parent = definePlugin({
      name: 'parent',
      about: '',
      skipsImmune: true,
      hooks: witness(calls, 'parent'),
    });
    const child = definePlugin({ name: 'child', about: '', hooks: (setup) => hooksOf(parent, setup) });
    const immune = chainOf([{ mail: later }, child]);
    immune.session.connection.relayClient = true;
    await immune.mail();
    expect(calls).toEqual([]);
    await chainOf([{ mail: later }, child]).mail();
    expect(calls).toEqual(['parent begins', 'parent']);
  });
});

describe('mistakes stop the start', () => {
  test.each<[string, unknown, string]>([
    ['another name', { begins: { mial: () => undefined } }, 'Invalid hook: mial, did you mean mail?'],
    ['no function', { begins: { mail: 1 }, mail: later }, 'begins.mail is no function'],
    ['no object', { begins: 'mail' }, 'its `begins` must be an object'],
    ['no hook', { begins: { mail: later } }, 'begins.mail has no hook mail beside it'],
    ['announced', { begins: { disconnect: later }, disconnect: later }, 'nobody is waited for in this hook'],
    ['outside', { begins: { 'post-fork': later }, 'post-fork': later }, 'nobody is waited for in this hook'],
  ])('%s', (_, hooks, message) => {
    expect(() => chainOf([hooks as Hooks<unknown>])).toThrow(message);
  });
});

test('the test kit has a plugin begin before it is asked', async () => {
  const calls: string[] = [];
  const plugin = definePlugin({ name: 'p', about: '', hooks: witness(calls, 'p') });
  const { ask, beginEarly, hooks } = testPlugin(plugin);
  await ask('mail', '<a@b.example>');
  beginEarly('mail', '<a@b.example>');
  expect(calls).toEqual(['p', 'p begins']);
  expect(hooks).toEqual(['mail']);
});
