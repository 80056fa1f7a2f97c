/** Servers that do not answer as they should, and strangers: each question has an answer in time, and nothing stays open. */

import { createSocket } from 'node:dgram';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { StubResolver } from '../../host/dns/stub-resolver.ts';
import { PATIENCE } from '../patience.ts';
import { asking, expectNothingOpen, type AskingOptions } from './asking.ts';
import { questionOf, ZoneServer, type Said, type Zone } from './zone-server.ts';

const MX: Said = { records: [['MX a.example', '10 mx.a.example']] };

async function given(said: Said | Zone, options: AskingOptions = {}) {
  const zone =
    'records' in said || 'spoil' in said || 'tcp' in said ? { 'MX a.example': said as Said } : said;
  const server = await ZoneServer.start(zone as Zone);
  const lines: string[] = [];
  const dns = asking([server.resolver()], { log: (_, text) => lines.push(text), ...options });
  return { server, dns, lines };
}

/** The end of every case: an answer, and no question, connection or socket that waits. */
async function expectAnswer(dns: StubResolver, answer: object, name = 'a.example') {
  expect(await dns.mx(name)).toMatchObject(answer);
  expectNothingOpen(dns);
}

const FAILED = { status: 'failed', isSecure: false };
const FOUND = { status: 'found', records: [{ exchange: 'mx.a.example', preference: 10 }] };

const changed = (octets: Buffer, change: (octets: Buffer) => void): Buffer => {
  const other = Buffer.from(octets);
  change(other);
  return other;
};

describe('datagrams that are no answer', () => {
  const forged = (answer: Buffer): Buffer =>
    changed(answer, (octets) => octets.writeUInt16BE((octets.readUInt16BE(0) + 1) & 0xffff, 0));
  /** Another name of the same length. */
  const renamed = (answer: Buffer): Buffer => changed(answer, (octets) => octets.write('b', 13));
  const retyped = (answer: Buffer): Buffer =>
    changed(answer, (octets) => octets.writeUInt16BE(16, questionOf(octets).end - 4));

  test.each<[string, (answer: Buffer) => readonly Buffer[]]>([
    ['none', () => []],
    ['too short for a header', () => [Buffer.alloc(0), Buffer.from('nonsense')]],
    ['a wrong identifier', (answer) => [forged(answer)]],
    ['another name', (answer) => [renamed(answer)]],
    ['another type', (answer) => [retyped(answer)]],
    ['the question itself', (answer) => [changed(answer, (octets) => (octets[2] = 1))]],
    ['cut off in the question', (answer) => [answer.subarray(0, 20)]],
    ['cut off in the answer', (answer) => [answer.subarray(0, answer.length - 3)]],
    [
      'more records announced than there are',
      (answer) => [changed(answer, (octets) => octets.writeUInt16BE(9, 6))],
    ],
    [
      'a record longer than the message',
      (answer) => [changed(answer, (octets) => octets.writeUInt16BE(0xffff, octets.length - 18))],
    ],
    [
      'a name that points at itself',
      (answer) => [
        changed(answer, (octets) =>
          octets.writeUInt16BE(0xc000 | questionOf(octets).end, questionOf(octets).end),
        ),
      ],
    ],
    ['two questions', (answer) => [changed(answer, (octets) => octets.writeUInt16BE(2, 4))]],
    [
      'random octets after the identifier',
      (answer) => [Buffer.concat([answer.subarray(0, 2), Buffer.alloc(300, 0xa5)])],
    ],
  ])('%s: the question is asked again, and fails in time', async (_, spoil) => {
    const { dns, server } = await given({ ...MX, spoil }, { attemptMs: 40, timeoutMs: 500 });
    await expectAnswer(dns, { ...FAILED, reason: 'timeout' });
    // Twice, unless the machine was too slow for that.
    expect(new Set(server.asked)).toEqual(new Set(['MX a.example']));
    expect(server.asked.length).toBeLessThanOrEqual(2);
  });

  test.each<[string, (answer: Buffer) => readonly Buffer[]]>([
    ['a wrong identifier', (answer) => [forged(answer), answer]],
    ['another name', (answer) => [renamed(answer), answer]],
    [
      'nonsense',
      (answer) => [Buffer.concat([answer.subarray(0, 2), Buffer.from('nonsense is no answer')]), answer],
    ],
  ])('%s is passed over, and the right answer after it taken', async (_, spoil) => {
    const { dns, server } = await given({ ...MX, spoil }, { attemptMs: 60_000, timeoutMs: 60_000 });
    await expectAnswer(dns, FOUND);
    expect(server.asked).toHaveLength(1);
  });

  test('answers from another address or port never get here', async () => {
    const stranger = createSocket('udp4');
    const other = createSocket('udp4');
    await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => other.bind(0, '127.0.0.2', resolve));
    onTestFinished(() => {
      stranger.close();
      other.close();
    });
    const { dns, server } = await given(MX, { attemptMs: 60_000, timeoutMs: 60_000 });
    const spoil = (answer: Buffer) => {
      // Right in everything but where it comes from, and it would be a find.
      const planted = changed(answer, (octets) => octets.write('xx', octets.length - 14, 'latin1'));
      const { port } = server.last;
      stranger.send(planted, port, '127.0.0.1', () =>
        other.send(planted, port, '127.0.0.1', () => server.send(answer)),
      );
      return [];
    };
    server.zone = { 'MX a.example': { ...MX, spoil } };
    await expectAnswer(dns, FOUND);
  });

  test('guesses without end: no datagram is believed, and TCP is asked', async () => {
    const spoil: Said['spoil'] = (answer, by) =>
      by === 'tcp' ? [answer] : Array.from({ length: 150 }, () => forged(answer));
    const { dns, server } = await given({ ...MX, spoil }, { attemptMs: 60_000, timeoutMs: 60_000 });
    await expectAnswer(dns, FOUND);
    expect(server.asked).toEqual(['MX a.example', 'MX a.example/tcp']);
    // The next question goes over another socket.
    await expectAnswer(dns, { status: 'no such name' }, 'b.example');
    expect(new Set(server.ports).size).toBe(2);
  });
});

describe('letters', () => {
  /** The name in small letters, over UDP alone. */
  const lower: Said['spoil'] = (answer, by) =>
    by === 'tcp'
      ? [answer]
      : [
          changed(answer, (octets) => {
            const { end } = questionOf(octets);
            octets.write(octets.latin1Slice(12, end - 4).toLowerCase(), 12, 'latin1');
          }),
        ];

  /** So many letters that chance does not leave them all small. */
  const long = 'abcdefghijklmnopqrstuvwxyz.example';

  test('that are not those of the question are not believed: TCP is asked', async () => {
    const { dns, server, lines } = await given({
      [`MX ${long}`]: { records: [[`MX ${long}`, '10 mx.a.example']], spoil: lower },
    });
    await expectAnswer(dns, FOUND, long);
    expect(server.asked).toEqual([`MX ${long}`, `MX ${long}/tcp`]);
    expect(lines).toEqual([]);
  });

  test('a server that never keeps them is asked without, and one that does so once is not', async () => {
    const names = Array.from({ length: 8 }, (_, at) => `n${at}.${long}`);
    const folded: Said = { spoil: lower };
    const { dns, server, lines } = await given(
      Object.fromEntries(names.map((name) => [`* ${name}`, folded])),
    );
    await dns.mx(names[0]!);
    await dns.mx(names[1]!);
    await dns.mx(`other.${long}`);
    await dns.mx(names[2]!);
    await dns.mx(names[3]!);
    expect(lines).toEqual([]);
    await dns.mx(names[4]!);
    expect(lines).toEqual([
      `DNS server 127.0.0.1:${server.port} does not keep the case of names: asked without 0x20 bits`,
    ]);
    server.asked.length = 0;
    await expectAnswer(dns, { status: 'no such record' }, names[5]);
    expect(server.asked).toEqual([`MX ${names[5]}`]);
  });
});

describe('servers without EDNS', () => {
  const hasOpt = (question: Buffer): boolean => question.readUInt16BE(10) === 1;

  test.each([
    ['FORMERR, a header alone', 1, true],
    ['FORMERR with the question', 1, false],
    ['NOTIMP with the question', 4, false],
  ] as const)('%s: asked without, from then on', async (_, code, isBare) => {
    const spoil: Said['spoil'] = (answer, __, question) => {
      if (!hasOpt(question)) return [answer];
      const error = changed(answer, (octets) => octets.writeUInt16BE(0x8180 | code, 2));
      error.writeUInt16BE(isBare ? 0 : 1, 4);
      error.writeUInt16BE(0, 6);
      return [error.subarray(0, isBare ? 12 : questionOf(answer).end)];
    };
    const { dns, server, lines } = await given({
      'MX a.example': { ...MX, spoil },
      '* b.example': { spoil },
    });
    await expectAnswer(dns, FOUND);
    await expectAnswer(dns, { status: 'no such record' }, 'b.example');
    expect(server.questions.map(hasOpt)).toEqual([true, false, false]);
    expect(lines).toEqual([`DNS server 127.0.0.1:${server.port} does not know EDNS: asked without`]);
  });

  test('that refuse the question for another reason have EDNS all the same', async () => {
    const { dns, lines, server } = await given({ 'MX a.example': { code: 1 }, '* b.example': {} });
    await expectAnswer(dns, { ...FAILED, reason: 'FORMERR' });
    await expectAnswer(dns, { status: 'no such record' }, 'b.example');
    expect(server.questions.map(hasOpt)).toEqual([true, false, true]);
    expect(lines).toEqual([]);
  });
});

describe('large answers', () => {
  test('a text of 64 KB comes over TCP whole', async () => {
    const text = 'v=spf1 '.padEnd(65_000, 'x');
    const { dns } = await given({ 'TXT a.example': { records: [['TXT a.example', text]], isLong: true } });
    expect(await dns.txt('a.example')).toMatchObject({ status: 'found', records: [text] });
    expectNothingOpen(dns);
    // It fits no datagram, and is too much for a small cache.
    expect(dns.counts.keptOctets).toBeLessThan(1_048_576);
  });

  test('of 300 records the first 256 count', async () => {
    const records = Array.from({ length: 300 }, (_, at) => ['A a.example', `192.0.2.${at % 256}`] as const);
    const { dns } = await given({ 'A a.example': { records, isLong: true } });
    const answer = await dns.resolve4('a.example');
    expect(answer.status === 'found' && answer.records).toHaveLength(256);
    expectNothingOpen(dns);
  });

  test('aliases in a circle, or without end, are a failure', async () => {
    const chain = Array.from(
      { length: 40 },
      (_, at) => [`CNAME n${at}.example`, `n${at + 1}.example`] as const,
    );
    const { dns, server } = await given({
      'A n0.example': { records: [...chain, ['A n40.example', '192.0.2.1']] },
      'A loop.example': { records: [['CNAME loop.example', 'loop.example']] },
      'A one.example': { records: [['CNAME one.example', 'two.example']] },
      'A two.example': { records: [['CNAME two.example', 'one.example']] },
    });
    for (const name of ['n0.example', 'loop.example', 'one.example'])
      expect(await dns.resolve4(name), name).toMatchObject({ ...FAILED, reason: 'aliases without end' });
    expect(server.asked.length).toBeLessThan(16);
    expectNothingOpen(dns);
  });

  test('a wildcard that has an address for everything is an answer like any other', async () => {
    const { dns } = await given({ '* a.example': { records: [['A a.example', '203.0.113.1']] } });
    expect(await dns.resolve4('a.example')).toMatchObject({ status: 'found' });
    expect(await dns.resolve6('a.example')).toMatchObject({ status: 'no such record' });
    expectNothingOpen(dns);
  });
});

describe('TCP', () => {
  const long: Said = { ...MX, isLong: true };

  test.each([
    ['never answers', { ...long, tcp: 'is silent' }, 'timeout'],
    ['closes amid the answer', { ...long, tcp: 'closes amid the answer' }, 'unreachable'],
    [
      'sends what is no answer',
      { ...long, spoil: (answer: Buffer, by: string) => [by === 'tcp' ? answer.subarray(0, 30) : answer] },
      'malformed answer',
    ],
    [
      'sends another identifier',
      {
        ...long,
        spoil: (answer: Buffer, by: string) => [
          by === 'tcp' ? changed(answer, (octets) => (octets[0]! ^= 1)) : answer,
        ],
      },
      'malformed answer',
    ],
    [
      'says that it is truncated again',
      { ...long, spoil: (answer: Buffer) => [changed(answer, (octets) => (octets[2]! |= 2))] },
      'malformed answer',
    ],
  ] as const)('that %s is a failure in time', async (_, said, reason) => {
    const { dns, server } = await given(said as Said, { attemptMs: 50, timeoutMs: 300 });
    await expectAnswer(dns, { ...FAILED, reason });
    await vi.waitFor(() => expect(server.connections).toBe(0), PATIENCE);
  });

  test('that goes on after the answer is cut off', async () => {
    const { dns, server } = await given({ ...long, tcp: 'goes on without end' }, { timeoutMs: 60_000 });
    await expectAnswer(dns, FOUND);
    await vi.waitFor(() => expect(server.connections).toBe(0), PATIENCE);
  });

  test('has 32 connections at a time, and those that nobody waits for are closed', async () => {
    const said: Said = { isLong: true, tcp: 'is silent' };
    const zone = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`* n${at}.example`, said]));
    const { dns, server } = await given(zone, { attemptMs: 60_000, timeoutMs: 60_000 });
    const stop = new AbortController();
    const all = Array.from({ length: 50 }, (_, at) => dns.mx(`n${at}.example`, { signal: stop.signal }));
    await vi.waitFor(() => expect(server.connections).toBe(32), PATIENCE);
    expect(dns.counts.connections).toBe(32);
    stop.abort();
    await Promise.all(all);
    expectNothingOpen(dns);
    await vi.waitFor(() => expect(server.connections).toBe(0), PATIENCE);
  });

  test('that nobody serves is a failure', async () => {
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
    onTestFinished(() => void udp.close());
    udp.on('message', (question, { port, address }) => {
      const answer = Buffer.from(question.subarray(0, questionOf(question).end));
      answer.writeUInt16BE(0x8380, 2);
      answer.writeUInt16BE(0, 10);
      udp.send(answer, port, address);
    });
    const dns = asking([{ address: '127.0.0.1', port: udp.address().port, isTrusted: true }], {
      attemptMs: 50,
      timeoutMs: 300,
    });
    await expectAnswer(dns, { ...FAILED, reason: 'unreachable' });
  });
});

describe('an error without the question', () => {
  /** A header alone, as unbound refuses those it does not serve. */
  const bare = (answer: Buffer): readonly Buffer[] => {
    const header = Buffer.from(answer.subarray(0, 12));
    header.fill(0, 4);
    return [header];
  };

  test.each([
    ['REFUSED', 5],
    ['SERVFAIL', 2],
  ])('%s counts over TCP, where nobody can guess it', async (reason, code) => {
    const { dns, server } = await given({ 'MX a.example': { code, spoil: bare } });
    await expectAnswer(dns, { ...FAILED, reason });
    expect(server.asked).toEqual(['MX a.example', 'MX a.example/tcp']);
  });

  test('is no answer where it says that all is well', async () => {
    const { dns } = await given({ 'MX a.example': { spoil: bare } }, { attemptMs: 50, timeoutMs: 300 });
    await expectAnswer(dns, { ...FAILED, reason: 'timeout' });
  });
});

test('SERVFAIL for minutes: one question in five seconds, an answer each time', async () => {
  let now = 0;
  const { dns, server } = await given({ '* a.example': { code: 2 } }, { now: () => now });
  for (; now < 180_000; now += 1_000) await expectAnswer(dns, { ...FAILED, reason: 'SERVFAIL' });
  expect(server.asked).toHaveLength(36);
});

test('a name that is only in the answer of another is not believed', async () => {
  const planted: Said = {
    records: [
      ['MX a.example', '10 mx.a.example'],
      ['MX bank.example', '10 mx.thief.example'],
      ['A mx.a.example', '192.0.2.66'],
    ],
  };
  const { dns } = await given({ 'MX a.example': planted });
  await expectAnswer(dns, FOUND);
  expect(await dns.mx('bank.example')).toMatchObject({ status: 'no such name' });
  expect(await dns.resolve4('mx.a.example')).toMatchObject({ status: 'no such name' });
});

test('without questions there are no sockets and no timer', async () => {
  const { dns, server } = await given(MX);
  await expectAnswer(dns, FOUND);
  expect(dns.counts.sockets).toBe(1);
  await vi.waitFor(() => expect(dns.counts).toMatchObject({ sockets: 0, hasTimer: false }), {
    ...PATIENCE,
    interval: 100,
  });
  await expectAnswer(dns, { status: 'no such name' }, 'b.example');
  expect(new Set(server.ports).size).toBe(2);
});
