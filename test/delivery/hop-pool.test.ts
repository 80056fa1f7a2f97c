/** Many messages, several hosts: connections are shared, limited and replaced, hosts stand in for each other. */

import { freePort } from '../free-port.ts';
import { expect, test } from 'vitest';
import { HostHealth, orderOf } from '../../plugins/queue/smtp/host-choice.ts';
import { closeLater, hopWith, outlet } from './hop-closers.ts';
import { hostOf, mailTo, shortFrom } from './mail-object.ts';
import type { HopSide } from './scripted-hop.ts';

const mail = mailTo(['a@d.example']);
const kindsOf = async (reports: Promise<readonly { kind: string }[]>[]): Promise<string[]> =>
  (await Promise.all(reports)).map(([outcome]) => outcome!.kind);

test('no more connections than allowed, and all who wait get their turn', async () => {
  const hop = await hopWith({ offers: ['PIPELINING'] });
  const out = outlet([hop], { connections: 3 });
  const kinds = await kindsOf(Array.from({ length: 50 }, () => out.deliver(mail)));
  expect(new Set(kinds)).toEqual(new Set(['delivered']));
  expect(hop.talks).toHaveLength(3);
  expect(out.connections).toBe(3);
});

test('who finds the line too long is put off', async () => {
  const hop = await hopWith();
  const out = outlet([hop], { connections: 1, waiting: 2 });
  const kinds = await kindsOf(Array.from({ length: 5 }, () => out.deliver(mail)));
  expect(kinds.filter((kind) => kind === 'delivered')).toHaveLength(3);
});

test('who waits is let go when his time is up or he gives up', async () => {
  const hop = await hopWith({ says: { MAIL: '[silence]' } });
  const out = outlet([hop], { connections: 1, withinMs: 400 });
  const controller = new AbortController();
  const reports = [out.deliver(mail), out.deliver(mail), out.deliver(mail, controller.signal)];
  setTimeout(() => controller.abort(), 20);
  const statuses = (await Promise.all(reports)).map(([outcome]) => outcome!.reply.status);
  expect(statuses).toEqual(['4.4.7', '4.4.7', '4.3.2']);
});

test('a connection takes so many messages and then ends with QUIT', async () => {
  const hop = await hopWith();
  const out = outlet([hop], { messages: 2 });
  for (let index = 0; index < 5; index++) await out.deliver(mail);
  expect(hop.talks).toHaveLength(3);
  expect(hop.lines.filter((line) => line === 'QUIT').length).toBeGreaterThanOrEqual(1);
});

test('an unused connection ends with QUIT after its time, and at once when the outlet is closed', async () => {
  const hop = await hopWith();
  const out = outlet([hop], { idleMs: 300 });
  await out.deliver(mail);
  await expect.poll(() => hop.lines.at(-1)).toBe('QUIT');
  await out.deliver(mail);
  out.close();
  await expect.poll(() => hop.talks[1]!.received.lines.at(-1)).toBe('QUIT');
  expect((await out.deliver(mail))[0]).toMatchObject({ kind: 'deferred', hop: undefined });
  expect(hop.talks).toHaveLength(2);
});

test('the hop closes kept connections: nobody notices', async () => {
  const hop = await hopWith();
  const out = outlet([hop], { connections: 4 });
  await Promise.all([1, 2, 3, 4].map(() => out.deliver(mail)));
  hop.dropConnections();
  const kinds = await kindsOf([1, 2, 3, 4].map(() => out.deliver(mail)));
  expect(kinds).toEqual(['delivered', 'delivered', 'delivered', 'delivered']);
});

test('an envelope that nothing came of is taken back before the connection is used again', async () => {
  const hop = await hopWith({ says: { RCPT: (path) => (path.includes('b@') ? '550 no' : '') } });
  const out = outlet([hop], { connections: 1 });
  await out.deliver(mailTo(['b@d.example']));
  await out.deliver(mail);
  expect(hop.talks).toHaveLength(1);
  expect(hop.lines.slice(1, 5)).toEqual([
    'MAIL FROM:<s@c.example>',
    'RCPT TO:<b@d.example>',
    'RSET',
    'MAIL FROM:<s@c.example>',
  ]);
});

test('a hop that does not take an envelope back gets no other message over that connection', async () => {
  const says = { RCPT: (path: string) => (path.includes('b@') ? '550 no' : ''), RSET: '502 no' };
  const hop = await hopWith({ says });
  const out = outlet([hop], { connections: 1 });
  await out.deliver(mailTo(['b@d.example']));
  expect((await out.deliver(mail))[0]!.kind).toBe('delivered');
  expect(hop.talks).toHaveLength(2);
});

test.each([
  ['GREETING', '421 no'],
  ['GREETING', '554 no'],
  ['GREETING', '[close]'],
  ['GREETING', '[silence]'],
  ['GREETING', 'hello'],
  ['EHLO', '[close]'],
  ['EHLO', '421 no'],
])('%s %s: the next host takes the message, and is asked first from then on', async (stage, say) => {
  const bad = await hopWith({ says: { [stage]: say } });
  const good = await hopWith();
  const out = outlet([bad, good], { timeouts: say === '[silence]' ? shortFrom(stage) : {}, messages: 1 });
  expect((await out.deliver(mail))[0]!.kind).toBe('delivered');
  const asked = bad.talks.length;
  expect((await out.deliver(mail))[0]!.kind).toBe('delivered');
  expect([asked, bad.talks.length]).toEqual([1, 1]);
  expect(good.talks).toHaveLength(2);
});

test.each(['MAIL', 'RCPT', 'DATA', 'END'])('%s is put off: no other host is tried', async (stage) => {
  const first = await hopWith({ says: { [stage]: '451 later' } });
  const second = await hopWith();
  expect((await outlet([first, second]).deliver(mail))[0]!.kind).toBe('deferred');
  expect(second.talks).toHaveLength(0);
});

test('no host at all takes connections: deferred with the last reason', async () => {
  const port = await freePort();
  const out = outlet([], { hosts: [1, 2].map(() => ({ name: 'h', address: '127.0.0.1', port })) });
  closeLater(() => out.close());
  expect((await out.deliver(mail))[0]).toMatchObject({
    kind: 'deferred',
    hop: undefined,
    reply: { status: '4.4.1', lines: ['next hop unreachable (ECONNREFUSED)'] },
  });
  expect(out.counters.failedConnections).toBe(2);
  // The client is not told of addresses within our network, the log is.
  expect(out.log.join('\n')).toContain(`h: connect: connect ECONNREFUSED 127.0.0.1:${port}`);
});

test('hosts may be found for each mail object, or not', async () => {
  const hop = await hopWith();
  const found = outlet([], { hosts: () => Promise.resolve([hostOf(hop)]) });
  expect((await found.deliver(mail))[0]!.kind).toBe('delivered');
  const outcome = {
    kind: 'refused',
    reply: { code: 556, status: '5.1.10', lines: ['null MX'] },
    hop: undefined,
  } as const;
  const none = outlet([], { hosts: () => Promise.resolve(outcome) });
  expect(await none.deliver(mail)).toEqual([outcome]);
});

test('hosts are drawn by weight, within their preference, and troubled ones come last', () => {
  const hosts = [
    { name: 'heavy', weight: 3 },
    { name: 'light' },
    { name: 'backup', preference: 10, weight: 1_000 },
  ];
  let heavy = 0;
  let seed = 1;
  const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 2_000; round++) {
    const order = orderOf(hosts, random, () => 0).map(({ name }) => name);
    expect(order[2]).toBe('backup');
    if (order[0] === 'heavy') heavy++;
  }
  expect(heavy).toBeGreaterThan(1_400);
  expect(heavy).toBeLessThan(1_600);
  const order = orderOf(hosts, random, ({ name }) => (name === 'backup' ? 0 : 1)).map(({ name }) => name);
  expect(order[0]).toBe('backup');
});

test('a host that fails is avoided ever longer, and at once no more when it works', () => {
  let now = 0;
  const health = new HostHealth(() => now);
  health.failed('h');
  now = 1_001;
  expect(health.isAvoided('h')).toBe(false);
  health.failed('h');
  now += 1_500;
  expect(health.isAvoided('h')).toBe(true);
  for (let round = 0; round < 40; round++) health.failed('h');
  now += 300_001;
  expect(health.isAvoided('h')).toBe(false);
  health.failed('h');
  health.worked('h');
  expect(health.isAvoided('h')).toBe(false);
});

test('a host is taken to keep connections once it has kept one, and not for an hour after it dropped one', () => {
  let now = 0;
  const health = new HostHealth(() => now);
  expect(health.keepsConnections('a')).toBe(false);
  health.keptConnection('a');
  expect(health.keepsConnections('a')).toBe(true);
  health.droppedConnection('a');
  health.keptConnection('a');
  now = 3_599_999;
  expect(health.keepsConnections('a')).toBe(false);
  now = 3_600_000;
  expect(health.keepsConnections('a')).toBe(true);
  for (let count = 0; count < 1_000; count++) health.keptConnection(`host${count}`);
  expect(health.keepsConnections('a')).toBe(false);
});

test.each([[], ['PIPELINING'], ['PIPELINING', 'CHUNKING']])(
  'a hop that wants no more messages over a connection gets them over another one (%s %s)',
  async (...offers) => {
    const MAIL = (_: string, { received }: HopSide): string =>
      received.lines.filter((line) => line.startsWith('MAIL')).length > 2
        ? '452 4.5.3 too many messages'
        : '';
    const hop = await hopWith({ offers, says: { MAIL } });
    const out = outlet([hop]);
    for (let count = 0; count < 5; count++) {
      expect((await out.deliver(mailTo(['a@d.example'])))[0]).toMatchObject({ kind: 'delivered' });
    }
    expect(hop.talks).toHaveLength(3);
    expect(out.counters.uncertain).toBe(0);
  },
);

test('a hop that wants none over a fresh connection either has the last word', async () => {
  const hop = await hopWith({ says: { MAIL: '452 4.3.1 disk full' } });
  expect((await outlet([hop]).deliver(mailTo(['a@d.example'])))[0]).toMatchObject({
    kind: 'deferred',
    reply: { status: '4.3.1' },
  });
  expect(hop.talks).toHaveLength(1);
});
