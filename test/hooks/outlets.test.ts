/** Outlets by their words: loaded like plugins, with the same errors, and before the server starts. */

import { expect, test } from 'vitest';
import {
  defineOutlet,
  definePlugin,
  z,
  type OpenedOutlet,
  type Outlet,
  type MailObject,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { loadPlugins } from '../../host/hooks/plugin-loader.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import { address, collectingLogger, fakeConfig, fakeServices, FakeSession, words } from './plugin-context.ts';

const answering = (code: number, text: string): Outlet => ({
  deliver: ({ recipients }) => {
    const kind = code < 300 ? 'delivered' : code < 500 ? 'deferred' : 'refused';
    const reply = { code, status: undefined, lines: [text] };
    return Promise.resolve(recipients.map(() => ({ kind, reply, hop: 'hop.example' })));
  },
});

/** An outlet that says what its line told it to. */
const saying = defineOutlet({
  name: 'queue/saying',
  about: 'Answers as told.',
  options: z.object({ code: z.coerce.number(), text: z.string().default('taken') }),
  positional: ['code', 'text'],
  outlet: ({ options }) => answering(options.code, options.text),
});

/** A plugin that hands on to the outlet its line names. */
const passing = (opened: OpenedOutlet[] = []): PluginDefinition =>
  definePlugin({
    name: 'passing',
    about: '',
    options: z.object({ words: z.array(z.string()) }),
    rest: 'words',
    hooks({ services, options }) {
      opened.push(services.outlets.open(options.words.join(' ')));
      return {};
    },
  }) as unknown as PluginDefinition;

const circle = defineOutlet({
  name: 'queue/circle',
  about: '',
  outlet: ({ services }) => services.outlets.open('circle'),
});

async function load(texts: readonly string[], definitions: readonly unknown[]) {
  const { logger, lines: log } = collectingLogger();
  const lines = texts.map((text, index) => ({ text, place: { file: 'plugins', line: index + 1 } }));
  const environment = { config: fakeConfig({}), services: fakeServices(), logger, pluginDirs: [] };
  const plugins = await loadPlugins(lines, {
    ...environment,
    definitions: definitions as readonly PluginDefinition[],
  });
  return { plugins, log, runner: new HookRunner(plugins, logger) };
}

const mail = { recipients: [{ address: address('a@b.example') }] } as unknown as MailObject;

test('one definition is a queue plugin and an outlet', async () => {
  const opened: OpenedOutlet[] = [];
  const { runner, log } = await load(
    ['queue/saying 452 full', 'passing saying 250'],
    [saying, passing(opened)],
  );
  const session = new FakeSession();
  Object.assign(session.transaction, { recipients: mail.recipients });
  expect(words(await runner.run('queue', session))).toBe('DENYSOFT full');
  expect(log).toEqual(['[c1] (queue) queue/saying: deferred 1 of 1 recipients: hop.example: 452 full']);
  expect(await opened[0]!.deliver(mail)).toMatchObject([{ kind: 'delivered', reply: { lines: ['taken'] } }]);
});

test('an outlet that comes with the server is found by its short name and by its own', async () => {
  const opened: OpenedOutlet[] = [];
  await load(['passing discard', 'passing queue/discard'], [passing(opened)]);
  for (const outlet of opened) expect(await outlet.deliver(mail)).toMatchObject([{ kind: 'delivered' }]);
});

test.each([
  ['saying x', 'plugins:1: queue/saying: code:'],
  ['saying 250 a b', 'plugins:1: queue/saying: unknown option `b`'],
  ['sying 250', 'plugins:1: Plugin queue/sying not found'],
  ['rcpt_ok', 'plugins:1: Plugin queue/rcpt_ok not found'],
  ['queue/../../etc', 'plugins:1: `queue/../../etc` is no plugin name'],
  ['circle', 'plugins:1: `circle`: outlets nest more than 8 deep'],
])('`%s` stops the start: %s', async (text, problem) => {
  await expect(load([`passing ${text}`], [passing(), saying, circle])).rejects.toThrow(problem);
});

test('a plugin without an outlet is refused by name', async () => {
  const plain = definePlugin({ name: 'queue/plain', about: '', hooks: {} });
  await expect(load(['passing plain'], [passing(), plain])).rejects.toThrow(
    'plugins:1: queue/plain: is a plugin that is no outlet',
  );
});

test('what is opened as soon as another outlet is ready stops the start too', async () => {
  const chained = definePlugin({
    name: 'chained',
    about: '',
    hooks({ services }) {
      void services.outlets.open('saying 250').ready.then(() => services.outlets.open('sying 250'));
      return {};
    },
  });
  await expect(load(['chained'], [chained, saying])).rejects.toThrow(
    'plugins:1: Plugin queue/sying not found',
  );
});

test('an outlet says whether mail for anybody can leave by it, once it is ready', async () => {
  const opened: OpenedOutlet[] = [];
  const store = defineOutlet({
    name: 'queue/store',
    about: '',
    isLocal: true,
    outlet: () => answering(250, 'kept'),
  });
  await load(['passing saying 250', 'passing store'], [saying, store, passing(opened)]);
  expect(opened[0]!.reaches).toBeUndefined();
  expect(opened[1]!.reaches?.(address('a@b.example'))).toBe(false);
});

test('what is opened later and is wrong fails in `ready`, and puts messages off', async () => {
  let open: ((words: string) => OpenedOutlet) | undefined;
  const later = definePlugin({
    name: 'later',
    about: '',
    hooks({ services }) {
      open = (words) => services.outlets.open(words, { file: 'routes', line: 7 });
      return {};
    },
  });
  await load(['later'], [later]);
  const outlet = open!('saying');
  await expect(outlet.ready).rejects.toThrow('routes:7: Plugin queue/saying not found');
  expect(await outlet.deliver(mail)).toMatchObject([{ kind: 'deferred', reply: { code: 451 } }]);
});
