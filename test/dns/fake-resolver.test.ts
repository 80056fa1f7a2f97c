/** The DNS that plugin authors test with: it answers as the real one does, and nothing in it takes real time. */

import { describe, expect, test } from 'vitest';
import { definePlugin, deny } from '../../bindings/plugin/index.ts';
import type { DnsOptions } from '../../bindings/plugin/resolver.ts';
import { fakeResolver, TestServer } from '../../host/testing/index.ts';

const tlsa = { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32) };

describe('answers', () => {
  const dns = fakeResolver({
    'Example.org.': { MX: ['10 MX.example.org', '20 mx2.example.org'], TXT: ['v=spf1 -all'], isSecure: true },
    'mx.example.org': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'], TLSA: 'SERVFAIL', isSecure: true },
    '_25._tcp.mx2.example.org': { TLSA: [tlsa], isSecure: true },
    'null.example': { MX: ['0 .'] },
    '192.0.2.1': { PTR: ['mx.example.org'] },
    '2001:db8::1': { PTR: ['mx.example.org'] },
    'broken.example': 'SERVFAIL',
    'gone.example.org': 'NXDOMAIN',
  });
  const { authenticated } = dns;

  test('are those of the zones, each type in its form', async () => {
    expect(await authenticated.mx('example.org')).toEqual({
      status: 'found',
      records: [
        { exchange: 'mx.example.org', preference: 10 },
        { exchange: 'mx2.example.org', preference: 20 },
      ],
      isSecure: true,
      canonicalName: 'example.org',
    });
    expect(await dns.mx('null.example')).toMatchObject({ records: [{ exchange: '', preference: 0 }] });
    expect(await dns.txt('example.org')).toMatchObject({ records: ['v=spf1 -all'] });
    expect(await dns.resolve4('mx.example.org')).toMatchObject({ records: ['192.0.2.1'] });
    expect(await dns.resolve6('MX.example.org')).toMatchObject({ records: ['2001:db8::1'] });
    expect(await dns.reverse('192.0.2.1')).toMatchObject({ records: ['mx.example.org'] });
    expect(await dns.reverse('2001:DB8:0::1')).toMatchObject({ records: ['mx.example.org'] });
    expect(await dns.tlsa('_25._tcp.mx2.example.org')).toMatchObject({ records: [tlsa] });
  });

  test('tell what is missing from what failed', async () => {
    expect(await dns.txt('mx.example.org')).toMatchObject({ status: 'no such record' });
    expect(await dns.resolve4('other.example')).toMatchObject({ status: 'no such name' });
    expect(await dns.resolve4('gone.example.org')).toMatchObject({ status: 'no such name' });
    expect(await dns.reverse('no address')).toMatchObject({ status: 'no such name' });
    expect(await dns.resolve4('broken.example')).toMatchObject({ status: 'failed', reason: 'SERVFAIL' });
    expect(await dns.tlsa('mx.example.org')).toMatchObject({ status: 'failed', reason: 'SERVFAIL' });
  });

  test('are as secure as their zones, and absence as secure as the name above', async () => {
    expect((await dns.mx('example.org')).isSecure).toBe(true);
    expect((await authenticated.txt('mx.example.org')).isSecure).toBe(true);
    expect((await authenticated.resolve4('gone.example.org')).isSecure).toBe(true);
    expect((await authenticated.tlsa('_25._tcp.mx.example.org')).isSecure).toBe(true);
    expect((await authenticated.resolve4('null.example')).isSecure).toBe(false);
    expect((await authenticated.resolve4('other.example')).isSecure).toBe(false);
    expect((await authenticated.resolve4('broken.example')).isSecure).toBe(false);
  });

  test('are known without a question where the zone says so', async () => {
    const kept = fakeResolver({
      'kept.example': { A: ['192.0.2.1'], isKept: true },
      'asked.example': { A: ['192.0.2.1'] },
      'silent.example': { A: 'timeout', isKept: true },
    });
    expect(kept.resolve4Now!('KEPT.example')).toMatchObject({ status: 'found', records: ['192.0.2.1'] });
    expect(kept.resolve4Now!('asked.example')).toBeUndefined();
    expect(kept.resolve4Now!('silent.example')).toBeUndefined();
    expect(kept.questions).toEqual([]);
    const answer = await new Promise<unknown>((receive) => kept.resolve4For!('asked.example', { receive }));
    expect(answer).toEqual(await kept.resolve4('asked.example'));
  });

  test('change when the test says so, and a slip in a zone is none of them', async () => {
    const changed = fakeResolver({ 'a.example': { A: ['192.0.2.1'] } });
    changed.set('A.example', { A: ['192.0.2.2'] });
    expect(await changed.resolve4('a.example')).toMatchObject({ records: ['192.0.2.2'] });
    changed.set('a.example', undefined);
    expect(await changed.resolve4('a.example')).toMatchObject({ status: 'no such name' });
    expect(() => fakeResolver({ 'a.example': { A: '192.0.2.1' as 'SERVFAIL' } })).toThrow(
      'is none of NXDOMAIN',
    );
    expect(() => fakeResolver({ 'a.example': 'down' as 'SERVFAIL' })).toThrow('is none of NXDOMAIN');
    expect(() => fakeResolver({ 'a.example': { MX: ['mx.a.example'] } })).toThrow('no PREFERENCE HOST');
  });
});

test('aliases are followed, each with its own word about DNSSEC', async () => {
  const dns = fakeResolver({
    'www.example': { CNAME: 'Web.example', isSecure: true },
    'web.example': { CNAME: 'host.example' },
    'host.example': { A: ['192.0.2.1'], isSecure: true },
    'dangling.example': { CNAME: 'nowhere.example', isSecure: true },
    'loop.example': { CNAME: 'pool.example' },
    'pool.example': { CNAME: 'loop.example' },
  });
  const { authenticated } = dns;
  expect(await authenticated.resolve4('www.example')).toEqual({
    status: 'found',
    records: ['192.0.2.1'],
    isSecure: false,
    canonicalName: 'host.example',
  });
  expect((await dns.resolve4('www.example')).canonicalName).toBe('host.example');
  expect(await authenticated.cname('www.example')).toMatchObject({
    records: ['web.example'],
    isSecure: true,
  });
  expect(await authenticated.cname('host.example')).toMatchObject({ status: 'no such record' });
  expect(await authenticated.resolve6('dangling.example')).toMatchObject({
    status: 'no such name',
    canonicalName: 'nowhere.example',
    isSecure: false,
  });
  expect(await authenticated.mx('loop.example')).toMatchObject({ reason: 'aliases without end' });
});

describe('time', () => {
  test('stands still until the test moves it, and limits hold in it', async () => {
    const dns = fakeResolver({
      'silent.example': 'timeout',
      'slow.example': { A: ['192.0.2.1'], delayMs: 2_000 },
      'alias.example': { CNAME: 'slow.example', delayMs: 2_000 },
    });
    const heard: string[] = [];
    const hear = (name: string, options: DnsOptions = {}) =>
      void dns
        .resolve4(name, options)
        .then((answer) =>
          heard.push(`${name} ${answer.status === 'failed' ? answer.reason : answer.status}`),
        );
    hear('silent.example');
    hear('silent.example', { timeoutMs: 3_000 });
    hear('slow.example');
    hear('slow.example', { timeoutMs: 1_000 });
    hear('alias.example');
    await dns.advance(999);
    expect(heard).toEqual([]);
    await dns.advance(1);
    expect(heard).toEqual(['slow.example timeout']);
    await dns.advance(4_000);
    expect(heard).toEqual([
      'slow.example timeout',
      'slow.example found',
      'silent.example timeout',
      'alias.example found',
      'silent.example timeout',
    ]);
  });

  test('may be that of a clock of the test', async () => {
    const runs = new Map<number, () => void>();
    const clock = {
      after: (ms: number, run: () => void) => {
        runs.set(ms, run);
        return () => void runs.delete(ms);
      },
      advance: (ms: number) => void runs.get(ms)?.(),
    };
    const dns = fakeResolver(
      { 'silent.example': 'timeout', 'slow.example': { MX: ['0 .'], delayMs: 700 } },
      clock,
    );
    const silent = dns.mx('silent.example', { timeoutMs: 900 });
    const slow = dns.mx('slow.example');
    clock.advance(700);
    expect(await slow).toMatchObject({ status: 'found' });
    await dns.advance(900);
    expect(await silent).toMatchObject({ reason: 'timeout' });
    expect(runs.size).toBe(0);
  });

  test('a signal ends a wait at once', async () => {
    const dns = fakeResolver({ 'silent.example': 'timeout' });
    const stop = new AbortController();
    const answer = dns.authenticated.mx('silent.example', { signal: stop.signal });
    await dns.whenAsked('MX silent.example');
    stop.abort();
    expect(await answer).toMatchObject({ status: 'failed', reason: 'aborted', isSecure: false });
    expect(await dns.mx('silent.example', { signal: stop.signal })).toMatchObject({ reason: 'aborted' });
    expect(dns.questions).toEqual(['MX silent.example']);
  });
});

test('a server of a test asks it, for its plugins and for the names of clients', async () => {
  const resolver = fakeResolver({
    '192.0.2.3': { PTR: ['client.example'] },
    'silent.example': 'timeout',
  });
  const plugin = definePlugin({
    name: 'resolvable',
    about: 'Refuses senders whose domain cannot be told.',
    hooks: {
      async mail({ connection, services }, { domain }) {
        const answer = await services.dns.mx(domain, { timeoutMs: 4_000 });
        return answer.status === 'failed' ? deny(`${connection.remoteHost}: ${answer.reason}`) : undefined;
      },
    },
  });
  const server = await TestServer.start({ plugins: [plugin], resolver });
  const client = await server.greeted({ address: '192.0.2.3' });
  const reply = client.say('MAIL FROM:<u@silent.example>');
  await resolver.whenAsked('MX silent.example');
  await resolver.advance(4_000);
  expect(await reply).toBe('550 client.example: timeout');
  expect(resolver.questions).toEqual(['PTR 192.0.2.3', 'MX silent.example']);
  client.destroy();
  await server.close();
});
