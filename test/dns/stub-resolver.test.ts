import { createSocket } from 'node:dgram';
import { getEventListeners } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { judgeServers, parseResolver, parseResolvConf } from '../../host/dns/server-addresses.ts';
import type { ServerList } from '../../host/dns/stub-resolver.ts';
import { PATIENCE } from '../patience.ts';
import { asking, expectNothingOpen, type AskingOptions } from './asking.ts';
import { encodeName, questionOf, ZoneServer, type Said, type Zone } from './zone-server.ts';

async function given(zone: Zone, options: AskingOptions = {}, isTrusted = true) {
  const server = await ZoneServer.start(zone);
  let now = 0;
  const dns = asking([server.resolver(isTrusted)], { now: () => now, ...options });
  return { server, dns, wait: (ms: number) => (now += ms) };
}

const MX = { records: [['MX a.example', '10 mx.a.example']] } as const;
const MX_OFTEN = { records: [['MX often.example', '10 mx.a.example']] } as const;

describe('answers', () => {
  test('are secure if the resolver says so and is trusted', async () => {
    const zone: Zone = { 'MX a.example': { ...MX, isSecure: true } };
    const records = [{ exchange: 'mx.a.example', preference: 10 }];
    const trusted = await given(zone);
    expect(await trusted.dns.ask('A.example.', 'MX')).toMatchObject({
      status: 'found',
      records,
      isSecure: true,
    });
    const other = await given(zone, {}, false);
    expect(await other.dns.ask('a.example', 'MX')).toMatchObject({
      status: 'found',
      records,
      isSecure: false,
    });
  });

  test('tell a missing name from a missing record, each secure or not', async () => {
    const { dns } = await given({
      'TXT a.example': { isSecure: true },
      'TXT gone.example': { code: 3, isSecure: false },
    });
    expect(await dns.ask('a.example', 'TXT')).toMatchObject({ status: 'no such record', isSecure: true });
    expect(await dns.ask('gone.example', 'TXT')).toMatchObject({ status: 'no such name', isSecure: false });
  });

  test('ask again where a resolver stops at an alias', async () => {
    const stops = (from: string, to: string, isSecure = true): Zone[string] => ({
      isSecure,
      records: [[`CNAME ${from}`, to]],
    });
    const zone: Zone = {
      'A a.example': stops('a.example', 'b.example'),
      'A b.example': stops('b.example', 'c.example'),
      'A c.example': { isSecure: true, records: [['A c.example', '192.0.2.1']] },
      'A x.example': stops('x.example', 'b.example', false),
      'A nothing.example': stops('nothing.example', 'empty.example'),
      'A empty.example': { isSecure: true },
      'A broken.example': stops('broken.example', 'fails.example'),
      'A fails.example': { code: 2 },
      'A loop.example': stops('loop.example', 'pool.example'),
      'A pool.example': stops('pool.example', 'loop.example'),
    };
    const { dns, server } = await given(zone);
    const found = { status: 'found', records: ['192.0.2.1'], canonicalName: 'c.example' };
    expect(await dns.ask('a.example', 'A')).toMatchObject({ ...found, isSecure: true });
    // One link that is not signed, and nothing after it counts as signed. RFC 7672 section 2.1.3.
    expect(await dns.ask('x.example', 'A')).toMatchObject({ ...found, isSecure: false });
    expect(await dns.ask('nothing.example', 'A')).toMatchObject({
      status: 'no such record',
      isSecure: true,
      canonicalName: 'empty.example',
    });
    expect(await dns.ask('broken.example', 'A')).toMatchObject({ status: 'failed', reason: 'SERVFAIL' });
    server.asked.length = 0;
    expect(await dns.ask('loop.example', 'A')).toMatchObject({
      status: 'failed',
      reason: 'aliases without end',
    });
    expect(server.asked.length).toBeLessThan(10);
  });

  test('follow aliases to the name after them', async () => {
    const { dns } = await given({
      'A a.example': {
        records: [
          ['CNAME a.example', 'b.example'],
          ['CNAME b.example', 'c.example'],
          ['A c.example', '192.0.2.1'],
        ],
      },
      'A loop.example': {
        records: [
          ['CNAME loop.example', 'pool.example'],
          ['CNAME pool.example', 'loop.example'],
        ],
      },
    });
    expect(await dns.ask('a.example', 'A')).toMatchObject({
      records: ['192.0.2.1'],
      canonicalName: 'c.example',
    });
    expect(await dns.ask('loop.example', 'A')).toMatchObject({
      status: 'failed',
      reason: 'aliases without end',
    });
  });

  test('records that stand under another name do not count', async () => {
    const { dns } = await given({ 'A a.example': { records: [['A bank.example', '192.0.2.66']] } });
    expect(await dns.ask('a.example', 'A')).toMatchObject({ status: 'no such record' });
  });

  test('that do not fit come over TCP', async () => {
    const { dns, server } = await given({ 'MX a.example': { ...MX, isLong: true, isSecure: true } });
    expect(await dns.ask('a.example', 'MX')).toMatchObject({ status: 'found', isSecure: true });
    expect(server.asked).toEqual(['MX a.example', 'MX a.example/tcp']);
  });

  test('are kept as long as they say, and failures for moments', async () => {
    const { dns, server, wait } = await given({
      'MX a.example': { ...MX, ttlSeconds: 60 },
      'MX b.example': { code: 2 },
      'MX c.example': { ...MX, ttlSeconds: 2_000_000, records: [['MX c.example', '10 mx.a.example']] },
      'MX now.example': { ttlSeconds: 0, records: [['MX now.example', '10 mx.a.example']] },
    });
    const timesAsked = async (name: string) => {
      await dns.ask(name, 'MX');
      return server.asked.filter((asked) => asked === `MX ${name}`).length;
    };
    expect(await timesAsked('a.example')).toBe(1);
    wait(59_000);
    expect(await timesAsked('a.example')).toBe(1);
    wait(1_001);
    expect(await timesAsked('a.example')).toBe(2);
    expect(await dns.ask('b.example', 'MX')).toMatchObject({
      status: 'failed',
      reason: 'SERVFAIL',
      isSecure: false,
    });
    expect(await timesAsked('b.example')).toBe(1);
    wait(5_001);
    expect(await timesAsked('b.example')).toBe(2);
    expect(await timesAsked('c.example')).toBe(1);
    wait(3_599_000);
    expect(await timesAsked('c.example')).toBe(1);
    wait(1_001);
    expect(await timesAsked('c.example')).toBe(2);
    expect(await timesAsked('now.example')).toBe(1);
    expect(await timesAsked('now.example')).toBe(2);
  });

  test('that there is nothing are kept as the SOA record says, else for moments. RFC 2308 section 5', async () => {
    const { dns, server, wait } = await given({
      'A gone.example': { code: 3, soaSeconds: 120 },
      'A bare.example': { soaSeconds: 120 },
      'A mute.example': { code: 3 },
    });
    const names = ['gone.example', 'bare.example', 'mute.example'];
    const askAll = async () => {
      server.asked.length = 0;
      for (const name of names) await dns.resolve4(name);
      return server.asked;
    };
    expect(await askAll()).toHaveLength(3);
    wait(4_999);
    expect(await askAll()).toEqual([]);
    wait(2);
    expect(await askAll()).toEqual(['A mute.example']);
    wait(119_000);
    expect(await askAll()).toHaveLength(3);
  });

  test('through aliases are kept no longer than any of them', async () => {
    const alias: Said = { records: [['CNAME a.example', 'b.example']], ttlSeconds: 10 };
    const { dns, server, wait } = await given({
      'A a.example': alias,
      'A b.example': { records: [['A b.example', '192.0.2.1']], ttlSeconds: 100 },
    });
    await dns.resolve4('a.example');
    wait(9_000);
    await dns.resolve4('a.example');
    expect(server.asked).toEqual(['A a.example', 'A b.example']);
    wait(1_001);
    expect(await dns.resolve4('a.example')).toMatchObject({ canonicalName: 'b.example' });
    // What the alias leads to is still known.
    expect(server.asked).toEqual(['A a.example', 'A b.example', 'A a.example']);
    await dns.resolve4('b.example');
    expect(server.asked).toHaveLength(3);
  });

  test('take no more memory than they may, and those that are asked for stay', async () => {
    const { dns, server } = await given({ '* often.example': MX_OFTEN }, { cacheOctets: 20_000 });
    for (let turn = 0; turn < 300; turn++) {
      await dns.mx(`n${turn}.example`);
      await dns.mx('often.example');
      expect(dns.counts.keptOctets).toBeLessThanOrEqual(20_000);
    }
    expect(dns.counts.kept).toBeGreaterThan(10);
    expect(server.asked.filter((asked) => asked === 'MX often.example')).toHaveLength(1);
  });

  test('that are known cost no promise, and no reader can change them', async () => {
    const { dns } = await given({ 'MX a.example': MX });
    const answer = await dns.mx('a.example');
    expect(dns.mx('A.example.')).toBe(dns.mx('a.example'));
    expect(Object.isFrozen(answer) && answer.status === 'found' && Object.isFrozen(answer.records)).toBe(
      true,
    );
  });

  test('of one question serve all who ask it meanwhile', async () => {
    const { dns, server } = await given({ 'MX a.example': MX });
    await Promise.all(Array.from({ length: 50 }, () => dns.ask('a.example', 'MX')));
    expect(server.asked).toHaveLength(1);
    expectNothingOpen(dns);
  });
});

describe('a question', () => {
  test('is asked for each type by its method', async () => {
    const pointer = 'PTR 1.2.0.192.in-addr.arpa';
    const { dns, server } = await given({
      'MX a.example': MX,
      [pointer]: { records: [[pointer, 'mx.a.example']], isSecure: true },
    });
    expect(await dns.mx('a.example')).toMatchObject({ status: 'found', isSecure: false });
    expect(await dns.reverse('192.0.2.1')).toMatchObject({ records: ['mx.a.example'], isSecure: true });
    expect(await dns.reverse('nobody')).toMatchObject({ status: 'no such name', isSecure: false });
    await Promise.all([dns.resolve4('b.example'), dns.resolve6('b.example'), dns.txt('b.example')]);
    await dns.tlsa('_25._tcp.b.example');
    await dns.cname('b.example');
    expect([...server.asked].sort()).toEqual([
      'A b.example',
      'AAAA b.example',
      'CNAME b.example',
      'MX a.example',
      pointer,
      'TLSA _25._tcp.b.example',
      'TXT b.example',
    ]);
  });

  test('that somebody no longer waits for still brings its answer to the others', async () => {
    let answer: (() => void) | undefined;
    const { dns, server } = await given(
      {
        'MX a.example': {
          ...MX,
          spoil: (octets) => {
            answer ??= () => server.send(octets);
            return [];
          },
        },
      },
      { attemptMs: 60_000, timeoutMs: 60_000 },
    );
    const stop = new AbortController();
    const stopped = dns.mx('a.example', { signal: stop.signal });
    const impatient = dns.mx('a.example', { timeoutMs: 20 });
    const patient = dns.mx('a.example');
    stop.abort();
    expect(await stopped).toMatchObject({ status: 'failed', reason: 'aborted', isSecure: false });
    expect(await impatient).toMatchObject({ status: 'failed', reason: 'timeout', isSecure: false });
    await vi.waitFor(() => expect(answer).toBeDefined(), PATIENCE);
    answer!();
    expect(await patient).toMatchObject({ status: 'found' });
    expect(server.asked).toEqual(['MX a.example']);
  });
});

describe('a question nobody waits for', () => {
  const SILENT: Zone = { '* a.example': { spoil: () => [] }, '* b.example': { spoil: () => [] } };

  test('gives its place back, and its late answer harms nobody', async () => {
    const { dns, server } = await given(SILENT, { timeoutMs: 60_000, maxAsked: 1 });
    const stop = new AbortController();
    const asked = dns.mx('a.example', { signal: stop.signal });
    await vi.waitFor(() => expect(server.asked).toEqual(['MX a.example']), PATIENCE);
    const next = dns.mx('c.example');
    expect(dns.counts).toMatchObject({ lookups: 2, sent: 1, line: 1 });
    const late = Buffer.from(server.questions[0]!);
    stop.abort();
    expect(await asked).toMatchObject({ status: 'failed', reason: 'aborted' });
    late[2] = 0x81;
    server.send(late);
    expect(await next).toMatchObject({ status: 'no such name' });
    expectNothingOpen(dns);
  });

  test('is one of many with the same signal, which has one listener for all', async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error) => void warnings.push(warning);
    process.on('warning', hear);
    onTestFinished(() => void process.off('warning', hear));
    const { dns } = await given({}, { timeoutMs: 60_000, maxAsked: 1 });
    const stop = new AbortController();
    const all = Array.from({ length: 50 }, (_, at) => dns.mx(`n${at}.example`, { signal: stop.signal }));
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    stop.abort();
    for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ reason: 'aborted' });
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    expectNothingOpen(dns);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });

  test('is none where another one waits without a limit', async () => {
    const { dns, server } = await given(SILENT, { attemptMs: 100, timeoutMs: 1_000 });
    const stop = new AbortController();
    const stopped = dns.mx('a.example', { signal: stop.signal });
    const patient = dns.mx('a.example');
    stop.abort();
    expect(await stopped).toMatchObject({ reason: 'aborted' });
    expect(dns.counts.lookups).toBe(1);
    expect(await patient).toMatchObject({ status: 'failed', reason: 'timeout' });
    // A second time, by the second attempt.
    expect(server.asked).toEqual(['MX a.example', 'MX a.example']);
    expectNothingOpen(dns);
  });

  test('waits no longer than it may, and with more patience than the rest if it says so', async () => {
    const { dns } = await given(SILENT, { timeoutMs: 300 });
    const answers: string[] = [];
    const hear = (who: string, timeoutMs?: number) =>
      dns.mx('a.example', { timeoutMs }).then((answer) => {
        answers.push(`${who} ${answer.status === 'failed' ? answer.reason : answer.status}`);
      });
    await Promise.all([hear('long', 600), hear('short', 30), hear('other')]);
    expect(answers[0]).toBe('short timeout');
    expect([...answers].sort()).toEqual(['long timeout', 'other timeout', 'short timeout']);
    expectNothingOpen(dns);
  });

  test('is not out of time because the process was busy when its answer came', async () => {
    const { dns, server } = await given({ 'MX a.example': MX }, { attemptMs: 1_000, timeoutMs: 1_000 });
    await dns.mx('warm.example');
    const answer = dns.mx('a.example', { timeoutMs: 150 });
    // The server shares this process: its answer is on its way when the time stands still.
    await vi.waitFor(() => expect(server.asked).toContain('MX a.example'), PATIENCE);
    const until = performance.now() + 400;
    while (performance.now() < until);
    expect(await answer).toMatchObject({ status: 'found' });
  });

  test('is answered, too, when the resolver is closed', async () => {
    const { dns } = await given(SILENT);
    const under = dns.mx('a.example', { timeoutMs: 60_000 });
    dns.close();
    expect(await under).toMatchObject({ status: 'failed', reason: 'closed' });
    expect(await dns.mx('b.example')).toMatchObject({ status: 'failed', reason: 'closed' });
  });
});

describe('servers', () => {
  /** A port nobody listens on. */
  async function down() {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    await new Promise<void>((resolve) => socket.close(resolve));
    return { address: '127.0.0.1', port, isTrusted: true };
  }

  test('that are down, silent, or cannot say are followed by the next', async () => {
    const server = await ZoneServer.start({ 'MX a.example': { ...MX, isSecure: true } });
    const silent = await ZoneServer.start({ '* a.example': { spoil: () => [] } });
    const broken = await ZoneServer.start({ '* a.example': { code: 2 } });
    for (const first of [await down(), silent.resolver(), broken.resolver()]) {
      const dns = asking([first, server.resolver()], { attemptMs: 50 });
      expect(await dns.mx('a.example')).toMatchObject({ status: 'found', isSecure: true });
    }
    const nobody = asking([await down(), await down()], { attemptMs: 50 });
    expect(await nobody.mx('a.example')).toMatchObject({ status: 'failed', reason: 'unreachable' });
  });

  test('that stay silent are asked last, and first again once they answer', async () => {
    const first = await ZoneServer.start({});
    const second = await ZoneServer.start({});
    const lines: string[] = [];
    const dns = asking([first.resolver(), second.resolver()], {
      attemptMs: 30,
      timeoutMs: 2_000,
      log: (_, text) => lines.push(text),
    });
    const silence = { spoil: () => [] };
    first.zone = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`* n${at}.example`, silence]));
    for (let at = 0; at < 8; at++) await dns.resolve4(`n${at}.example`);
    expect(lines).toEqual([`DNS server 127.0.0.1:${first.port} does not answer: others are asked first`]);
    first.asked.length = 0;
    await dns.resolve4('n9.example');
    expect(first.asked).toEqual([]);
  });

  test('that die and return are asked again', async () => {
    const server = await ZoneServer.start({ 'MX a.example': MX });
    const { port } = server;
    let now = 0;
    const dns = asking([server.resolver()], { now: () => now, attemptMs: 50, timeoutMs: 500 });
    expect(await dns.mx('a.example')).toMatchObject({ status: 'found' });
    await server.close();
    expect(await dns.mx('a.example')).toMatchObject({ status: 'found' });
    expect(await dns.mx('b.example')).toMatchObject({ status: 'failed', reason: 'unreachable' });
    const again = await ZoneServer.start(
      { 'MX b.example': { ...MX, records: [['MX b.example', '1 a.b']] } },
      port,
    );
    now += 5_001;
    expect(await dns.mx('b.example')).toMatchObject({ status: 'found' });
    expect(again.asked).toContain('MX b.example');
  });

  test('that are exchanged take the questions under way with them, and what the old ones said is forgotten', async () => {
    const old = await ZoneServer.start({ 'MX a.example': MX, 'MX b.example': { spoil: () => [] } });
    const other = await ZoneServer.start({ 'MX b.example': { records: [['MX b.example', '1 a.b']] } });
    let list: ServerList = { servers: [old.resolver()], attempts: 1, attemptMs: 60_000 };
    const dns = asking([], { serverList: () => list, timeoutMs: 60_000 });
    await dns.mx('a.example');
    const pending = dns.mx('b.example');
    await vi.waitFor(() => expect(old.asked).toContain('MX b.example'), PATIENCE);
    list = { ...list, servers: [other.resolver()] };
    expect(await dns.mx('a.example')).toMatchObject({ status: 'found' });
    expect(await dns.txt('c.example')).toMatchObject({ status: 'no such name' });
    expect(await pending).toMatchObject({ status: 'found' });
    expect(await dns.mx('a.example')).toMatchObject({ status: 'no such name' });
    list = { ...list, servers: [] };
    expect(await dns.mx('d.example')).toMatchObject({ status: 'failed', reason: 'no DNS server' });
  });

  test('what is no name is not asked for', async () => {
    const { dns, server } = await given({});
    const long = `${'x'.repeat(63)}.`.repeat(4);
    for (const name of [
      'a..example',
      '',
      '.',
      '.example',
      'a b.example',
      'ü.example',
      'a\\12.example',
      'a\\300.b',
      long,
      `${'x'.repeat(64)}.example`,
    ])
      expect(await dns.ask(name, 'MX'), name).toMatchObject({ status: 'no such name', isSecure: false });
    expect(server.asked).toEqual([]);
    await dns.ask(long.slice(0, -3), 'MX');
    await dns.ask('a\\046b.example', 'MX');
    expect(server.asked).toHaveLength(2);
    expect(server.questions[1]!.latin1Slice(12, 16).toLowerCase()).toBe('\x03a.b');
  });

  test('are written with and without a port', () => {
    expect(parseResolver('192.0.2.53')).toEqual({ address: '192.0.2.53', port: 53 });
    expect(parseResolver('127.0.0.1:5353')).toEqual({ address: '127.0.0.1', port: 5353 });
    expect(parseResolver('2001:db8::1')).toEqual({ address: '2001:db8::1', port: 53 });
    expect(parseResolver('[::1]:5353')).toEqual({ address: '::1', port: 5353 });
    for (const text of ['dns.example', '192.0.2.53:0', '192.0.2.53:70000', '[192.0.2.53]', '::1:x', ''])
      expect(() => parseResolver(text), text).toThrow('no address of a resolver');
  });

  test('are trusted on loopback and where the operator vouches for them, and are three at most', () => {
    const named = ['127.0.0.53', '::1', '192.0.2.53', '198.51.100.1'].map(parseResolver);
    const chosen = judgeServers(named, (address) => address === '192.0.2.53');
    expect(chosen.map(({ isTrusted }) => isTrusted)).toEqual([true, true, true]);
    const [other] = judgeServers(named.slice(3), (address) => address === '192.0.2.53');
    expect(other?.isTrusted).toBe(false);
    expect(judgeServers([parseResolver('fe80::1%eth0')], () => true)[0]!.isTrusted).toBe(false);
  });

  test('of resolv.conf are read as resolv.conf(5) has them', () => {
    const text = [
      '# a comment',
      'search example.org',
      'nameserver 192.0.2.53',
      'nameserver nonsense',
      ' nameserver\t2001:db8::53 # and another',
      'nameserver fe80::1%eth0',
      'nameserver 192.0.2.54',
      'options rotate timeout:3 attempts:4 edns0',
    ].join('\n');
    expect(parseResolvConf(text)).toEqual({
      servers: [
        { address: '192.0.2.53', port: 53 },
        { address: '2001:db8::53', port: 53 },
        { address: 'fe80::1%eth0', port: 53 },
      ],
      timeoutMs: 3_000,
      attempts: 4,
    });
    const local = [{ address: '127.0.0.1', port: 53 }];
    expect(parseResolvConf('options timeout:0 attempts:99')).toEqual({
      servers: local,
      timeoutMs: 1_000,
      attempts: 5,
    });
    expect(parseResolvConf('')).toEqual({ servers: local, timeoutMs: undefined, attempts: undefined });
  });
});

describe('how it is asked', () => {
  test('port, identifier and letters are new each time, with 1232 octets of room', async () => {
    const { dns, server } = await given({}, { maxAsked: 1 });
    const name = 'abcdefghijklmnop.example';
    const types = ['A', 'AAAA', 'MX', 'TXT', 'PTR', 'CNAME', 'TLSA'] as const;
    for (const type of types) await dns.ask(name, type);
    const ids = new Set(server.questions.map((question) => question.readUInt16BE(0)));
    expect(ids.size).toBeGreaterThan(types.length - 3);
    const written = server.questions.map((question) => questionOf(question).name);
    expect(new Set(written).size).toBe(types.length);
    expect(new Set(written.map((each) => each.toLowerCase()))).toEqual(new Set([name]));
    for (const question of server.questions) {
      const opt = question.subarray(questionOf(question).end);
      expect(opt).toEqual(Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]));
      // Recursion, and whether DNSSEC vouches: RFC 6840 section 5.7.
      expect(question.readUInt16BE(2)).toBe(0x0120);
    }
  });

  test('who is not trusted is not asked about DNSSEC', async () => {
    const { dns, server } = await given({}, {}, false);
    await dns.resolve4('a.example');
    expect(server.questions[0]!.readUInt16BE(2)).toBe(0x0100);
  });

  test('many questions go over several ports, and after many the ports are others', async () => {
    // The server shares this process: on a slow machine a datagram may be lost, and is sent again.
    const { dns, server } = await given({}, { attemptMs: 1_000 });
    const askMany = (from: number, count: number) =>
      Promise.all(Array.from({ length: count }, (_, at) => dns.resolve4(`n${from + at}.example`)));
    await askMany(0, 500);
    const first = new Set(server.ports);
    expect(first.size).toBeGreaterThan(1);
    for (let turn = 1; turn < 40; turn++) await askMany(turn * 500, 500);
    expect(new Set(server.asked).size).toBe(20_000);
    const all = new Set(server.ports);
    expect(all.size).toBeGreaterThan(first.size);
    expect(dns.counts.sockets).toBeLessThanOrEqual(8);
    expectNothingOpen(dns);
  });

  test('more questions than may be under way wait, and each is sent once', async () => {
    const { dns, server } = await given({}, { maxAsked: 50, timeoutMs: 60_000, attemptMs: 60_000 });
    const all = Array.from({ length: 3_000 }, (_, at) => dns.resolve4(`n${at}.example`));
    expect(dns.counts).toMatchObject({ sent: 50, line: 2_950 });
    for (const answer of await Promise.all(all)) expect(answer.status).toBe('no such name');
    expect(server.asked).toHaveLength(3_000);
    expectNothingOpen(dns);
  });

  test('what waits and is no name is told so in its turn, however many there are', async () => {
    const { dns, server } = await given({}, { maxAsked: 1 });
    const first = dns.resolve4('a.example');
    const all = Array.from({ length: 15_000 }, (_, at) => dns.resolve4(`${at}..example`));
    const last = dns.resolve4('b.example');
    expect(dns.counts).toMatchObject({ sent: 1, line: 15_001 });
    const answers = await Promise.all([first, ...all, last]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['no such name']));
    expect(server.asked).toEqual(['A a.example', 'A b.example']);
  });

  test('names of answers with odd octets are asked for as they are', async () => {
    const odd = 'a\\046b.example';
    const alias = Buffer.concat([Buffer.from('\x03a.b', 'latin1'), encodeName('example')]);
    const { dns, server } = await given({
      'A www.example': {
        spoil: (answer) => {
          answer.writeUInt16BE(1, 6);
          const fixed = Buffer.from([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, alias.length]);
          return [Buffer.concat([answer, fixed, alias])];
        },
      },
    });
    expect(await dns.resolve4('www.example')).toMatchObject({ status: 'no such name', canonicalName: odd });
    expect(server.asked).toEqual(['A www.example', 'A a.b.example']);
  });
});
