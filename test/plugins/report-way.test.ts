/** By which outlet the reports of queue/spool leave. */

import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  defineOutlet,
  z,
  type DeliveryReport,
  type Outlet,
  type MailObject,
  type PluginDefinition,
  type SpoolOptions,
} from '../../bindings/plugin/index.ts';
import { address, testPlugin } from '../../host/testing/index.ts';
import routesPlugin from '../../plugins/queue/routes.ts';
import spool from '../../plugins/queue/spool.ts';

/** A plugin is a file, or a folder with an index. */
const fileOf = (name: string): string => {
  const path = `../../plugins/queue/${name}`;
  return existsSync(new URL(path, import.meta.url)) ? `${path}/index.ts` : `${path}.ts`;
};

type Answer = (mailbox: string) => DeliveryReport[number];

const taken: Answer = () => ({
  kind: 'delivered',
  reply: { code: 250, status: undefined, lines: ['ok'] },
  hop: 'hop.example',
});
const loop: Answer = () => ({
  kind: 'refused',
  reply: { code: 554, status: '5.4.6', lines: ['mail would come back to this host'] },
  hop: undefined,
});

/** The plugin under the line, over outlets in memory; `taken` is what got where. */
async function spoolWith(line: string, { byMx = taken, routes = [] as readonly string[] } = {}) {
  const got: string[] = [];
  const outlet = (name: string, answer: Answer): Outlet => ({
    deliver({ recipients }) {
      for (const { address: one } of recipients) got.push(`${name} ${one.mailbox}`);
      return Promise.resolve(recipients.map(({ address: one }) => answer(one.mailbox)));
    },
  });
  const options = z.object({ words: z.array(z.string()).default([]) });
  const named = (name: string, isLocal?: true): PluginDefinition =>
    defineOutlet({
      name: `queue/${name}`,
      about: '',
      options,
      rest: 'words',
      ...(isLocal && { isLocal }),
      outlet: ({ options: { words: given } }) =>
        outlet([name, ...given].join(' '), given[0] === 'mx' ? byMx : taken),
    }) as unknown as PluginDefinition;
  let terms: SpoolOptions | undefined;
  const spools = {
    open: (_: string, asked: SpoolOptions): Outlet => {
      terms = asked;
      return outlet('spool', taken);
    },
  };
  const { log, ready } = testPlugin(spool, {
    options: `/s ${line}`,
    config: { routes },
    services: { spools },
    definitions: [named('smtp-forward'), named('store', true), routesPlugin as unknown as PluginDefinition],
  });
  await ready;
  const { reports } = terms!;
  const send = async (mailbox: string): Promise<DeliveryReport> =>
    reports!.outlet.deliver({
      recipients: [{ address: address(`<${mailbox}>`), parameters: new Map() }],
      isTrackedByRecipient: true,
    } as unknown as MailObject);
  return {
    got,
    log: log.join('\n'),
    send,
    destinationOf: (to: string) => reports!.destinationOf(address(`<${to}>`)),
  };
}

test.each([
  ['via store', 'smtp-forward mx s@c.example', 'reports:c.example'],
  ['via routes', 'smtp-forward mx s@c.example', 'reports:c.example'],
  ['via smtp-forward h', 'smtp-forward h s@c.example', 'next-hop'],
  ['via smtp-forward mx', 'smtp-forward mx s@c.example', 'c.example'],
  ['via store reports via smtp-forward h', 'smtp-forward h s@c.example', 'reports:next-hop'],
  ['via store reports via smtp-forward mx', 'smtp-forward mx s@c.example', 'reports:c.example'],
  ['via smtp-forward h reports via smtp-forward mx', 'smtp-forward mx s@c.example', 'reports:c.example'],
])('%s: a report goes to %s', async (line, where, destination) => {
  const given = await spoolWith(line, { routes: ['x.example store', '.y.example smtp-forward h'] });
  expect(given.destinationOf('s@C.example')).toBe(destination);
  await given.send('s@c.example');
  expect(given.got).toEqual([where]);
});

test.each([
  ['s@x.example', 'store s@x.example'],
  ['s@host.y.example', 'smtp-forward h s@host.y.example'],
  ['s@c.example', 'smtp-forward mx s@c.example'],
])('by routes a report to %s goes to %s', async (sender, where) => {
  const given = await spoolWith('via routes', { routes: ['x.example store', '.y.example smtp-forward h'] });
  await given.send(sender);
  expect(given.got).toEqual([where]);
});

test.each([
  ['* smtp-forward h', 'smtp-forward h s@c.example'],
  ['* store', 'smtp-forward mx s@c.example'],
])('by routes with `%s` it goes to %s', async (route, where) => {
  const given = await spoolWith('via routes', { routes: [route] });
  await given.send('s@c.example');
  expect(given.got).toEqual([where]);
});

test('a sender whose domain this host serves gets it from the outlet of the messages', async () => {
  const given = await spoolWith('via store', { byMx: loop });
  expect(await given.send('s@ours.example')).toMatchObject([{ kind: 'delivered' }]);
  expect(given.got).toEqual(['smtp-forward mx s@ours.example', 'store s@ours.example']);
});

test('an outlet for reports that serves local mailboxes only is complained about at start', async () => {
  const { log } = await spoolWith('via smtp-forward h reports via store a');
  expect(log).toContain('REPORTS TO SENDERS ELSEWHERE CANNOT LEAVE by `store a`');
  expect((await spoolWith('via store reports via smtp-forward h')).log).toBe('');
});

test.each([
  ['via store reports via sying 250', 'plugins:1: Plugin queue/sying not found'],
  ['via sying reports via store', 'plugins:1: Plugin queue/sying not found'],
])('%s stops the start: %s', async (line, problem) => {
  await expect(spoolWith(line)).rejects.toThrow(problem);
});

test.each(['lmtp', 'maildir', 'pipe', 'webhook', 'amqp'])(
  'queue/%s serves local mailboxes only',
  async (name) => {
    const module = (await import(fileOf(name))) as { default: PluginDefinition };
    expect(module.default.isLocal).toBe(true);
  },
);

test.each(['smtp-forward', 'qmqp', 'qmail-queue', 'postfix-queue', 'exim-bsmtp', 'spool', 'routes'])(
  'queue/%s may reach anybody',
  async (name) => {
    const module = (await import(fileOf(name))) as { default: PluginDefinition };
    expect(module.default.isLocal).toBeUndefined();
  },
);
