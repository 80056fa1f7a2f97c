import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ResolverDns, type SecureDnsLimits } from '../../host/dns/secure-dns.ts';
import { chooseResolvers, parseResolver } from '../../host/dns/trusted-resolvers.ts';
import { PATIENCE } from '../patience.ts';
import { ZoneServer, type Zone } from './zone-server.ts';

const servers: ZoneServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function given(zone: Zone, limits: Partial<SecureDnsLimits> = {}, isTrusted = true) {
  const server = await ZoneServer.start(zone);
  servers.push(server);
  let now = 0;
  const dns = new ResolverDns([server.resolver(isTrusted)], () => now, {
    attemptMs: 200,
    rounds: 2,
    ...limits,
  });
  return { server, dns, wait: (ms: number) => (now += ms) };
}

const MX = { records: [['MX a.example', '10 mx.a.example']] } as const;

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
    const { dns, server } = await given(zone, { rounds: 1 });
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

  test('follow aliases to the name behind them', async () => {
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
    });
    await dns.ask('a.example', 'MX');
    wait(59_000);
    await dns.ask('a.example', 'MX');
    expect(server.asked).toHaveLength(1);
    wait(1_001);
    await dns.ask('a.example', 'MX');
    expect(server.asked).toHaveLength(2);
    expect(await dns.ask('b.example', 'MX')).toMatchObject({
      status: 'failed',
      reason: 'SERVFAIL',
      isSecure: false,
    });
    const { length } = server.asked;
    await dns.ask('b.example', 'MX');
    expect(server.asked).toHaveLength(length);
    wait(5_001);
    await dns.ask('b.example', 'MX');
    expect(server.asked.length).toBeGreaterThan(length);
  });

  test('of one question serve all who ask it meanwhile', async () => {
    const { dns, server } = await given({ 'MX a.example': MX });
    await Promise.all(Array.from({ length: 50 }, () => dns.ask('a.example', 'MX')));
    expect(server.asked).toHaveLength(1);
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
      { attemptMs: 60_000 },
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

describe('what somebody else sends', () => {
  const forged = (answer: Buffer): Buffer => {
    const other = Buffer.from(answer);
    other.writeUInt16BE((answer.readUInt16BE(0) + 1) & 0xffff, 0);
    return other;
  };

  test('a wrong identifier is passed over, and the right answer after it taken', async () => {
    const { dns } = await given({ 'MX a.example': { ...MX, spoil: (answer) => [forged(answer), answer] } });
    expect(await dns.ask('a.example', 'MX')).toMatchObject({ status: 'found' });
  });

  test('an answer to another question is none', async () => {
    const spoil = (answer: Buffer) => {
      const other = Buffer.from(answer);
      other.write('b', 13);
      return [other];
    };
    const { dns, server } = await given({ 'MX a.example': { ...MX, spoil } });
    expect(await dns.ask('a.example', 'MX')).toMatchObject({ status: 'failed', reason: 'timeout' });
    expect(server.asked).toHaveLength(2);
  });

  test('guesses without end give the question up', async () => {
    const spoil = (answer: Buffer) => Array.from({ length: 40 }, () => forged(answer));
    const { dns } = await given({ 'MX a.example': { ...MX, spoil } }, { rounds: 1 });
    expect(await dns.ask('a.example', 'MX')).toMatchObject({ status: 'failed', reason: 'malformed answer' });
  });

  test('octets that are no answer, and silence, are failures', async () => {
    const { dns } = await given({
      'MX a.example': { spoil: () => [Buffer.from('nonsense')] },
      'MX b.example': { spoil: () => [] },
      'MX c.example': { isLong: true, spoil: (answer) => [answer.subarray(0, 20)] },
    });
    for (const name of ['a.example', 'b.example', 'c.example'])
      expect(await dns.ask(name, 'MX')).toMatchObject({ status: 'failed', isSecure: false });
  });
});

describe('resolvers', () => {
  test('that are down are followed by the next', async () => {
    const { server } = await given({ 'MX a.example': { ...MX, isSecure: true } });
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    await new Promise<void>((resolve) => socket.close(resolve));
    const down = { address: '127.0.0.1', port, isTrusted: true };
    const dns = new ResolverDns([down, server.resolver()], () => 0, { attemptMs: 200 });
    expect(await dns.ask('a.example', 'MX')).toMatchObject({ status: 'found', isSecure: true });
  });

  test('what is no name is not asked for', async () => {
    const { dns, server } = await given({});
    expect(await dns.ask('a..example', 'MX')).toMatchObject({ status: 'no such name', isSecure: false });
    expect(server.asked).toEqual([]);
  });

  test('are written with and without a port', () => {
    expect(parseResolver('192.0.2.53')).toEqual({ address: '192.0.2.53', port: 53 });
    expect(parseResolver('127.0.0.1:5353')).toEqual({ address: '127.0.0.1', port: 5353 });
    expect(parseResolver('2001:db8::1')).toEqual({ address: '2001:db8::1', port: 53 });
    expect(parseResolver('[::1]:5353')).toEqual({ address: '::1', port: 5353 });
    for (const text of ['dns.example', '192.0.2.53:0', '192.0.2.53:70000', '[192.0.2.53]', '::1:x', ''])
      expect(() => parseResolver(text), text).toThrow('no address of a resolver');
  });

  test('are trusted on loopback and where the operator vouches for them', () => {
    const named = ['127.0.0.53', '::1', '192.0.2.53', '198.51.100.1'].map(parseResolver);
    const chosen = chooseResolvers(named, (address) => address === '192.0.2.53');
    expect(chosen.map(({ isTrusted }) => isTrusted)).toEqual([true, true, true]);
    const [other] = chooseResolvers(named.slice(3), (address) => address === '192.0.2.53');
    expect(other?.isTrusted).toBe(false);
    // Those of the system, whatever they are here.
    expect(chooseResolvers([], () => true).every(({ isTrusted }) => isTrusted)).toBe(true);
  });
});
