/** What stands in for a plugin that cannot answer: by hook, by the definition's `onError`, by `on_error` of the line. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, error, LogLevel, type Answer } from '../../bindings/plugin/index.ts';
import type { SessionHookName } from '../../bindings/plugin/hooks.ts';
import { FIRST_PAUSE_MS, MAX_IN_A_ROW } from '../../host/hooks/hook-step.ts';
import { setUpPlugin } from '../../host/hooks/loaded-plugin.ts';
import { describePlugin } from '../../host/hooks/plugin-description.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import { TestServer } from '../../host/testing/index.ts';
import { collectingLogger, fakeConfig, fakeServices, FakeSession, words } from './plugin-context.ts';
import { HandDeadlines } from './hand-deadlines.ts';

type Failure = () => Answer | Promise<Answer>;

function pluginOf(hook: SessionHookName, fails: Failure, onError?: unknown, options = '') {
  const { logger } = collectingLogger(LogLevel.EMERG);
  const environment = { config: fakeConfig({}), services: fakeServices(), logger };
  const line = parsePluginLine({ text: `scanner ${options}`, place: { file: 'plugins', line: 1 } });
  const declared = onError === undefined ? {} : { onError: onError as 'skip' };
  const definition = { name: 'scanner', about: '', ...declared, hooks: { [hook]: fails } };
  return { plugin: setUpPlugin(definition, line, environment), logger };
}

/** The verdict of a chain of the failing plugin and one that refuses: `DENY next` if the failing one was skipped. */
async function verdictOf(hook: SessionHookName, fails: Failure, onError?: 'skip' | 'defer', options = '') {
  const { plugin, logger } = pluginOf(hook, fails, onError, options);
  const next = pluginOf(hook, () => deny('next')).plugin;
  const deadlines = new HandDeadlines();
  const runner = new HookRunner([plugin, next], logger, { deadlines, budgetMs: () => 30_000 });
  const run = runner.run as (...given: unknown[]) => unknown;
  const answer = Promise.resolve(run.call(runner, hook, new FakeSession()));
  if (deadlines.count > 0) await deadlines.pass();
  const verdict = words((await answer) as never);
  return verdict === 'DENY next' ? 'skip' : verdict.startsWith('DENYSOFT Internal error') ? 'defer' : verdict;
}

const FAILURES: Readonly<Record<string, Failure>> = {
  throws: () => {
    throw new Error('dead');
  },
  rejects: () => Promise.reject(new Error('dead')),
  'does not answer in time': () => new Promise<Answer>(() => undefined),
  'finds an error': () => error('no daemon'),
};
const DEFERRING = ['rcpt', 'data_headers_end', 'data_post', 'queue_pre', 'queue', 'auth-plain'] as const;
const SKIPPING = ['connect', 'helo', 'ehlo', 'mail', 'data', 'data_post_headers', 'vrfy'] as const;

describe.each(Object.entries(FAILURES))('a plugin that %s', (_, fails) => {
  test.each(DEFERRING)('without onError defers in %s', async (hook) => {
    expect(await verdictOf(hook, fails)).toBe('defer');
    expect(await verdictOf(hook, fails, 'skip')).toBe('skip');
  });

  test.each(SKIPPING)('without onError is skipped in %s', async (hook) => {
    expect(await verdictOf(hook, fails)).toBe('skip');
    expect(await verdictOf(hook, fails, 'defer')).toBe('defer');
  });

  test('goes by the line where that says otherwise than the definition', async () => {
    expect(await verdictOf('data_post', fails, 'defer', 'on_error skip')).toBe('skip');
    expect(await verdictOf('mail', fails, 'skip', 'on_error defer')).toBe('defer');
  });
});

test.each([
  [undefined, 'defer'],
  ['defer', 'defer'],
  ['skip', 'skip'],
] as const)('a plugin that was taken out of data_post: onError %s gives %s', async (onError, expected) => {
  let calls = 0;
  const { plugin, logger } = pluginOf(
    'data_post',
    () => (calls++, Promise.reject(new Error('dead'))),
    onError,
  );
  const next = pluginOf('data_post', () => deny('next')).plugin;
  const runner = new HookRunner([plugin, next], logger);
  const session = new FakeSession();
  for (let time = 0; time < MAX_IN_A_ROW + 5; time++) {
    const verdict = words(await runner.run('data_post', session));
    expect(verdict).toMatch(expected === 'skip' ? /^DENY next/ : /^DENYSOFT Internal error/);
  }
  expect(calls).toBe(MAX_IN_A_ROW);
  expect(FIRST_PAUSE_MS).toBeGreaterThan(10_000);
});

test('what is no answer at all passes for none as in qpsmtpd, unless the plugin or its line says that it guards', async () => {
  const garbage: Failure = () => 901 as never;
  expect(await verdictOf('data_post', garbage)).toBe('skip');
  expect(await verdictOf('data_post', garbage, 'defer')).toBe('defer');
  expect(await verdictOf('data_post', garbage, undefined, 'on_error defer')).toBe('defer');
});

test('onError that is neither skip nor defer keeps the daemon from starting', () => {
  expect(() => pluginOf('mail', () => undefined, 'ignore')).toThrow(
    'plugins:1: scanner: its `onError` must be skip or defer',
  );
});

test('what counts shows in the description of the plugin, for `plugin list`', () => {
  const shown = (onError?: string, options?: string) =>
    describePlugin(pluginOf('mail', () => undefined, onError, options).plugin).options['on_error'];
  expect([shown(), shown('defer'), shown('skip'), shown('defer', 'on_error skip')]).toEqual([
    undefined,
    'defer',
    'skip',
    'skip',
  ]);
});

test('every plugin of the server that sees the content says what its failure means', () => {
  const root = join(import.meta.dirname, '../../plugins');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !/^(dns-lists|mailauth|reports)\//.test(name),
  );
  const sees = files.filter((name) => /\bdata_post\b/.test(readFileSync(join(root, name), 'utf8')));
  expect(sees.length).toBeGreaterThan(8);
  expect(sees.filter((name) => !/^ {2}onError: '/m.test(readFileSync(join(root, name), 'utf8')))).toEqual([]);
});

describe('in a session', () => {
  let server: TestServer | undefined;
  afterEach(() => server?.close());

  const MESSAGE = 'Subject: x\r\n\r\nx\r\n.';
  const send = async (hook: SessionHookName, onError?: 'skip' | 'defer'): Promise<string[]> => {
    const scanner = definePlugin({
      name: 'scanner',
      about: '',
      ...(onError !== undefined && { onError }),
      hooks: { [hook]: () => Promise.reject(new Error('ECONNREFUSED')) },
    });
    server = await TestServer.start({
      plugins: [scanner, 'rcpt_ok', 'queue/discard'],
      config: { rcpthosts: 'x.example' },
    });
    const client = await server.greeted();
    const replies: string[] = [];
    for (const line of ['MAIL FROM:<a@b.example>', 'RCPT TO:<u@x.example>', 'DATA', MESSAGE, 'NOOP'])
      replies.push((await client.say(line)).slice(0, 3));
    return replies;
  };

  test.each(['data_headers_end', 'data_post', 'queue_pre', 'queue'] as const)(
    'a dead scanner in %s never lets the message through, and the session goes on',
    async (hook) => {
      const replies = await send(hook);
      expect(replies.slice(0, 3)).toEqual(['250', '250', '354']);
      expect(replies[3]).toMatch(/^45/);
      expect(replies[4]).toBe('250');
    },
  );

  test('a plugin that guards is waited for in data_post_headers as well', async () => {
    expect(await send('data_post_headers', 'defer')).toEqual(['250', '250', '354', '452', '250']);
    await server?.close();
    expect(await send('data_post_headers')).toEqual(['250', '250', '354', '250', '250']);
  });

  test('an observer that fails keeps no mail back', async () => {
    expect(await send('data_post', 'skip')).toEqual(['250', '250', '354', '250', '250']);
  });
});
