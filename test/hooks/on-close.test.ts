/** The end of a plugin: `onClose` of its set-up. */

import { afterEach, expect, test } from 'vitest';
import {
  definePlugin,
  defineOutlet,
  z,
  type PluginDefinition,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { PluginClosings } from '../../host/hooks/plugin-closings.ts';
import { TestServer } from '../../host/testing/index.ts';
import { collectingLogger } from './plugin-context.ts';

const servers: TestServer[] = [];
const timers: NodeJS.Timeout[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  timers.splice(0).forEach(clearInterval);
});

async function start(plugins: readonly (string | PluginDefinition)[], definitions: PluginDefinition[] = []) {
  const server = await TestServer.start({ plugins, definitions });
  servers.push(server);
  return server;
}

const named = (name: string, setUp: (setup: Setup<unknown>) => void): PluginDefinition =>
  definePlugin({
    name,
    about: '',
    hooks(setup) {
      setUp(setup);
      return {};
    },
  }) as unknown as PluginDefinition;

/** Counts the ticks of each reading's timer. */
function ticking() {
  const ticks: number[] = [];
  const plugin = named('ticking', ({ onClose }) => {
    const reading = ticks.push(0) - 1;
    const timer = setInterval(() => ticks[reading]!++, 1);
    timers.push(timer);
    onClose(() => clearInterval(timer));
  });
  return { plugin, ticks };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 2_000 && !isSo(); look++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isSo()).toBe(true);
}

test('after two reloads one timer ticks', async () => {
  const { plugin, ticks } = ticking();
  const server = await start([plugin]);
  await server.server.reload();
  await server.server.reload();
  const before = [...ticks];
  await until(() => ticks[2]! > before[2]! + 5);
  expect(ticks.slice(0, 2)).toEqual(before.slice(0, 2));
});

test('a session of the old reading keeps its plugins until it ends', async () => {
  const { plugin, ticks } = ticking();
  const server = await start([plugin]);
  const client = await server.greeted();
  await server.server.reload();
  const atReload = ticks[0]!;
  await until(() => ticks[0]! > atReload + 5);
  await client.say('QUIT');
  await until(() => server.server.sessions === 0);
  const atEnd = [...ticks];
  await until(() => ticks[1]! > atEnd[1]! + 5);
  expect(ticks[0]).toBe(atEnd[0]);
});

test('what was registered last is closed first, and one that throws keeps nobody from its end', async () => {
  const closed: string[] = [];
  const closing = (name: string, close: () => void | Promise<void>) =>
    named(name, ({ onClose }) => {
      onClose(() => void closed.push(`${name} begun`));
      onClose(close);
    });
  const server = await TestServer.start({
    plugins: [
      closing('one', () => void closed.push('one')),
      closing('throws', () => {
        throw new Error('broken');
      }),
      closing('rejects', () => Promise.reject(new Error('broken'))),
      closing('waits', async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        closed.push('waits');
      }),
    ],
    config: { loglevel: '0' },
  });
  await server.close();
  expect(closed).toEqual(['waits', 'waits begun', 'rejects begun', 'throws begun', 'one', 'one begun']);
  await server.close();
  expect(closed).toHaveLength(6);
});

test('a session that was cut off ends before its plugins do, under an old reading too', async () => {
  const order: string[] = [];
  const plugin = definePlugin({
    name: 'watching',
    about: '',
    hooks({ onClose }) {
      onClose(() => void order.push('closed'));
      return { disconnect: () => void order.push('disconnect') };
    },
  });
  const server = await TestServer.start({ plugins: [plugin as unknown as PluginDefinition] });
  await server.greeted();
  await server.server.reload();
  await server.greeted();
  await server.close();
  expect(order).toEqual(['disconnect', 'disconnect', 'closed', 'closed']);
});

test('a configuration that turns out to be wrong is closed, those that were set up first included', async () => {
  const closed: string[] = [];
  const good = named('good', ({ onClose }) => onClose(() => void closed.push('good')));
  let isBad = false;
  const bad = named('bad', ({ onClose }) => {
    onClose(() => void closed.push('bad'));
    if (isBad) throw new Error('cannot');
  });
  const server = await start([good, bad]);
  isBad = true;
  await expect(server.server.reload()).rejects.toThrow('bad: could not be set up: cannot');
  expect(closed).toEqual(['bad', 'good']);
  await servers.pop()!.close();
  expect(closed).toEqual(['bad', 'good', 'bad', 'good']);
});

test('an outlet within an outlet is closed, and so is one that is opened later', async () => {
  const closed: string[] = [];
  const inner = defineOutlet({
    name: 'queue/inner',
    about: '',
    options: z.object({ name: z.string() }),
    positional: ['name'],
    outlet({ onClose, options }) {
      onClose(() => void closed.push(options.name));
      return { deliver: () => Promise.resolve([]) };
    },
  }) as unknown as PluginDefinition;
  let openLater: () => Promise<void> = () => Promise.resolve();
  const outer = named('outer', ({ services }) => {
    services.outlets.open('inner first');
    openLater = () => services.outlets.open('inner later').ready;
  });
  const server = await TestServer.start({ plugins: [outer], definitions: [inner] });
  await openLater();
  await server.close();
  expect(closed).toEqual(['later', 'first']);
});

test('an outlet is closed after the last delivery that began under its reading, or when the process ends', async () => {
  for (const atOnce of [false, true]) {
    const closings = new PluginClosings(collectingLogger().logger);
    const closed: string[] = [];
    closings.add({ plugin: 'outlet', isBuiltIn: true, close: () => void closed.push('closed') });
    const [endFirst, endSecond] = [closings.beginDelivery(), closings.beginDelivery()];
    const end = closings.close();
    endFirst();
    await new Promise(setImmediate);
    expect(closed).toEqual([]);
    if (atOnce) void closings.close(true);
    else endSecond();
    await end;
    expect(closed).toEqual(['closed']);
  }
});

test('what never ends is waited for in vain for a while only, and what comes after the end is closed at once', async () => {
  const { logger, lines } = collectingLogger();
  const closings = new PluginClosings(logger);
  const closed: string[] = [];
  const close = (name: string) => () => void closed.push(name);
  closings.add({ plugin: 'first', isBuiltIn: false, close: close('first') });
  for (const plugin of ['stuck', 'stuck too', 'stuck as well'])
    closings.add({ plugin, isBuiltIn: false, close: () => new Promise(() => undefined) });
  await closings.close();
  expect(closed).toEqual(['first']);
  expect(lines).toEqual(
    ['stuck as well', 'stuck too', 'stuck'].map((plugin) =>
      expect.stringContaining(`${plugin}: onClose has not ended in time`),
    ),
  );
  closings.add({ plugin: 'failing', isBuiltIn: false, close: () => Promise.reject(new Error('broken')) });
  await until(() => lines.some((line) => line.includes('FATAL PLUGIN ERROR [failing]: onClose: ')));
  closings.add({ plugin: 'late', isBuiltIn: false, close: close('late') });
  expect(closed).toEqual(['first', 'late']);
});
