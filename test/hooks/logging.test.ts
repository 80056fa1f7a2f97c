import { expect, test } from 'vitest';
import { definePlugin, LogLevel, type LogEvent, type Setup } from '../../bindings/plugin/index.ts';
import type { Hooks } from '../../bindings/plugin/hooks.ts';
import { setUpPlugin } from '../../host/hooks/loaded-plugin.ts';
import { loggingSinks } from '../../host/hooks/logging.ts';
import { configSource, runPostFork } from '../../host/hooks/setup-hooks.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { SourceSilent } from '../../host/config/consulted-lists.ts';
import { Logger } from '../../host/observe/logger.ts';
import { Deadlines } from '../../bindings/timing/deadlines.ts';
import { ok } from '../../bindings/plugin/index.ts';
import { HandDeadlines } from './hand-deadlines.ts';
import { fakeConfig, fakeServices } from './plugin-context.ts';

type Make = Hooks<unknown> | ((setup: Setup<unknown>) => Hooks<unknown>);

function pluginsOf(hooks: Make[]) {
  const builtIn: string[] = [];
  const logger = new Logger(LogLevel.DEBUG, (line) => builtIn.push(line));
  const environment = { config: fakeConfig({}), services: fakeServices(), logger };
  const plugins = hooks.map((own, index) => {
    const definition = definePlugin({ name: `l${index + 1}`, about: '', hooks: own as Hooks<object> });
    return setUpPlugin(
      definition,
      parsePluginLine({ text: definition.name, place: { file: 'logging' } }),
      environment,
    );
  });
  return { plugins, logger, builtIn };
}

function sinksOf(hooks: Make[]) {
  const { plugins, logger, builtIn } = pluginsOf(hooks);
  const complaints: string[] = [];
  logger.attach(loggingSinks(plugins, (line) => complaints.push(line)));
  return { logger, builtIn, complaints };
}

test('every logging plugin gets every line, and the built-in log is silent', () => {
  const first: string[] = [];
  const second: string[] = [];
  const into =
    (texts: string[]) =>
    (_: unknown, { text }: LogEvent) =>
      ok(texts.push(text).toString());
  const { logger, builtIn } = sinksOf([{ logging: into(first) }, {}, { logging: into(second) }]);
  logger.log(LogLevel.DEBUG, 'a line');
  expect([first, second, builtIn]).toEqual([['a line'], ['a line'], []]);
});

test('logging hooks that log do not feed each other, at once or later; their lines go past the log', async () => {
  const heard: string[] = [];
  const { logger, complaints } = sinksOf([
    (setup) => ({
      logging({ log }, { text }) {
        heard.push(`first ${text}`);
        log.error('by its context');
        setup.log.error('by its set-up');
      },
    }),
    (setup) => ({
      async logging(_, { text }) {
        heard.push(`second ${text}`);
        await Promise.resolve();
        setup.log.error('later');
      },
    }),
  ]);
  logger.log(LogLevel.INFO, 'a line');
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  expect(heard).toEqual(['first a line', 'second a line']);
  expect(complaints).toEqual(['4711 l1: by its set-up', '4711 l2: later']);
});

test('a line that a logging plugin writes in another hook is heard like any other', () => {
  const heard: string[] = [];
  const { logger } = sinksOf([{ logging: (_, { text }) => void heard.push(text) }]);
  logger.log(LogLevel.INFO, 'a line', { plugin: 'l1', hook: 'connect', connectionId: 'c1' });
  expect(heard).toEqual(['a line']);
});

test('a logging hook that throws or rejects is reported past the log, and the others still hear', async () => {
  const heard: string[] = [];
  const { logger, complaints } = sinksOf([
    {
      logging: () => {
        throw new Error('disk full');
      },
    },
    { logging: () => Promise.reject(new Error('gone')) },
    { logging: (_, { text }) => void heard.push(text) },
  ]);
  logger.log(LogLevel.INFO, 'a line');
  await Promise.resolve();
  await Promise.resolve();
  expect(heard).toEqual(['a line']);
  expect(complaints).toHaveLength(2);
  expect(complaints[0]).toMatch(/^logging plugin l1 failed: Error: disk full/);
  expect(complaints[1]).toMatch(/^logging plugin l2 failed: Error: gone/);
});

test('the config hook answers for a file; the first OK wins, failures and promises are passed over', async () => {
  const asked: string[] = [];
  const { plugins, logger, builtIn } = pluginsOf([
    {
      config: () => {
        throw new Error('broken');
      },
    },
    { config: async () => ok('too late') },
    { config: (_, name) => (asked.push(name), name === 'me' ? ok(['mx.example', 'second']) : undefined) },
    { config: () => ok('last') },
  ]);
  const source = configSource(plugins, logger)!;
  expect(source('me')).toEqual(['mx.example', 'second']);
  expect(source('timeout')).toEqual(['last']);
  expect(asked).toEqual(['me', 'timeout']);
  expect(builtIn.filter((line) => line.includes('FATAL PLUGIN ERROR [l1]: hook config'))).toHaveLength(2);
  expect(builtIn.filter((line) => line.includes('must answer at once'))).toHaveLength(2);
});

test('a config hook that reads configuration gets the file, not itself', () => {
  const answers: unknown[] = [];
  const { plugins, logger } = pluginsOf([
    { config: (_, name) => (answers.push(source(name)), ok('from the plugin')) },
  ]);
  const source = configSource(plugins, logger)!;
  expect(source('me')).toEqual(['from the plugin']);
  expect(answers).toEqual([undefined]);
});

test('a post-fork hook that never ends is given up when its time is up', async () => {
  const { plugins, logger, builtIn } = pluginsOf([
    { 'post-fork': () => new Promise<never>(() => undefined) },
    { 'post-fork': ({ log }) => log.error('the next one') },
  ]);
  const deadlines = new HandDeadlines();
  const done = runPostFork(plugins, logger, { deadlines, budgetMs: () => 5_000 });
  await deadlines.pass();
  await done;
  expect(builtIn[0]).toContain('FATAL PLUGIN ERROR [l1]: hook post-fork: TimeIsUp: no answer within 5 s');
  expect(builtIn[1]).toContain('l2: the next one');
});

test('a config hook that fails is reported once, and again after it worked', () => {
  let fails = true;
  const { plugins, logger, builtIn } = pluginsOf([
    {
      config: () => {
        if (fails) throw new Error('no database');
      },
    },
  ]);
  const source = configSource(plugins, logger)!;
  // The sink that fails may have lines that no other has.
  for (let time = 0; time < 3; time++) expect(() => source('me')).toThrow('me: plugin l1 has failed');
  expect(builtIn).toHaveLength(1);
  fails = false;
  source('me');
  fails = true;
  expect(() => source('me')).toThrow(SourceSilent);
  expect(builtIn).toHaveLength(2);
});

test('lines that no sink wants are not formatted, and each sink gets up to its level', () => {
  const heard: string[] = [];
  const logger = new Logger(LogLevel.DEBUG, () => undefined);
  logger.attach([
    { upTo: LogLevel.ERROR, write: ({ text }) => heard.push(`first ${text}`) },
    { upTo: LogLevel.NOTICE, write: ({ text }) => heard.push(`second ${text}`) },
    { upTo: -1, write: ({ text }) => heard.push(`third ${text}`) },
  ]);
  expect([logger.writes(LogLevel.NOTICE), logger.writes(LogLevel.INFO)]).toEqual([true, false]);
  logger.log(LogLevel.INFO, 'info');
  logger.log(LogLevel.NOTICE, 'notice');
  logger.log(LogLevel.ERROR, 'error');
  expect(heard).toEqual(['second notice', 'first error', 'second error']);
  logger.attach([{ upTo: -1, write: () => heard.push('never') }]);
  expect(logger.writes(0)).toBe(false);
});

test('post-fork reaches every plugin, one that fails included', async () => {
  const told: string[] = [];
  const { plugins, logger, builtIn } = pluginsOf([
    { 'post-fork': () => Promise.reject(new Error('broken')) },
    { 'post-fork': ({ name }) => void told.push(name) },
  ]);
  await runPostFork(plugins, logger, { deadlines: new Deadlines(), budgetMs: () => 10_000 });
  expect(told).toEqual(['l2']);
  expect(builtIn[0]).toContain('FATAL PLUGIN ERROR [l1]: hook post-fork: Error: broken');
});
