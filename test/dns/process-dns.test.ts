/** `services.dns`: who is asked by which settings, and by which client. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { definePlugin } from '../../bindings/plugin/index.ts';
import { SystemFile } from '../../host/dns/system-file.ts';
import { ProcessDns, type DnsSettings } from '../../host/dns/process-dns.ts';
import { parseResolvConf } from '../../host/dns/server-addresses.ts';
import { AddressRanges, NO_RANGES } from '../../host/config/address-ranges.ts';
import { MemoryAcceptor } from '../../host/intake/memory-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestClient } from '../../host/testing/index.ts';
import { PATIENCE } from '../patience.ts';
import { askingService, core } from './asking.ts';
import { ZoneServer, type Zone } from './zone-server.ts';

const tlsa = { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 7) };
const ZONE: Zone = {
  'A found.test': { records: [['A found.test', '192.0.2.9']], isSecure: true },
  'AAAA six.test': { records: [['AAAA six.test', '2001:db8:0:0:0:0:0:1']] },
  'MX found.test': {
    records: [
      ['MX found.test', '10 mx.found.test'],
      ['MX found.test', '0 .'],
    ],
  },
  'TXT long.test': { records: [['TXT long.test', 'x'.repeat(300)]] },
  'PTR 9.2.0.192.in-addr.arpa': { records: [['PTR 9.2.0.192.in-addr.arpa', 'client.test']] },
  'CNAME www.test': { records: [['CNAME www.test', 'found.test']] },
  'TLSA _25._tcp.found.test': { records: [['TLSA _25._tcp.found.test', tlsa]] },
  'A broken.test': { code: 2 },
  'A silent.test': { spoil: () => [] },
};

describe.each(['own', 'node'] as const)('the client `%s`', (dnsClient) => {
  async function given() {
    const server = await ZoneServer.start(ZONE);
    return { server, dns: askingService({ dnsServers: [server.resolver()], dnsClient }) };
  }

  test('tells apart what the server says, in the form of each type. RFC 2308 section 2', async () => {
    const { dns } = await given();
    const found = (name: string, ...records: unknown[]) => ({
      status: 'found',
      records,
      canonicalName: name,
    });
    expect(await dns.resolve4('Found.test.')).toMatchObject(found('found.test', '192.0.2.9'));
    expect(await dns.resolve6('six.test')).toMatchObject(found('six.test', '2001:db8::1'));
    const hosts = [
      { exchange: 'mx.found.test', preference: 10 },
      { exchange: '', preference: 0 },
    ];
    expect(await dns.mx('found.test')).toMatchObject(found('found.test', ...hosts));
    expect(await dns.txt('long.test')).toMatchObject(found('long.test', 'x'.repeat(300)));
    expect(await dns.reverse('192.0.2.9')).toMatchObject(found('9.2.0.192.in-addr.arpa', 'client.test'));
    expect(await dns.cname('www.test')).toMatchObject(found('www.test', 'found.test'));
    expect(await dns.tlsa('_25._tcp.found.test')).toMatchObject(found('_25._tcp.found.test', tlsa));
    expect(await dns.resolve6('found.test')).toMatchObject({ status: 'no such record' });
    expect(await dns.mx('none.test')).toMatchObject({ status: 'no such name' });
    expect(await dns.reverse('2001:db8::1')).toMatchObject({ status: 'no such name' });
    expect(await dns.reverse('no address')).toMatchObject({ status: 'no such name' });
    expect(await dns.resolve4('broken.test')).toMatchObject({ status: 'failed', reason: 'SERVFAIL' });
    for (const name of ['bad..name', 'x'.repeat(300), 'a\0b'])
      expect((await dns.resolve4(name, { timeoutMs: 500 })).status, name).not.toBe('found');
  });

  test('waits as long as the answer is wanted', async () => {
    const { dns, server } = await given();
    const stop = new AbortController();
    const answer = dns.resolve4('silent.test', { signal: stop.signal });
    await vi.waitFor(() => expect(server.asked).toContain('A silent.test'), PATIENCE);
    stop.abort();
    expect(await answer).toMatchObject({ status: 'failed', reason: 'aborted' });
    expect(await dns.mx('found.test', { signal: stop.signal })).toMatchObject({ reason: 'aborted' });
    expect(await dns.resolve4('silent.test', { timeoutMs: 50 })).toMatchObject({
      status: 'failed',
      reason: 'timeout',
    });
  });
});

const settingsFor = (server: ZoneServer): DnsSettings => ({
  dnsServers: [server.resolver()],
  mxResolvers: [],
  mxTrustedResolvers: NO_RANGES,
  dnsTimeoutMs: 60_000,
  dnsAttempts: undefined,
  dnsCacheOctets: 10_000,
  dnsClient: 'own',
});

describe('who is asked', () => {
  test('the resolvers of mail routes, or those of everything; what one has said counts for both', async () => {
    const [plain, routes] = [await ZoneServer.start(ZONE), await ZoneServer.start(ZONE)];
    const both = askingService({ dnsServers: [plain.resolver()], mxResolvers: [routes.resolver()] });
    expect(await both.resolve4('found.test')).toMatchObject({ status: 'found', isSecure: true });
    expect(await both.authenticated.mx('found.test')).toMatchObject({ status: 'found' });
    expect([plain.asked, routes.asked]).toEqual([['A found.test'], ['MX found.test']]);
    const one = askingService({ dnsServers: [plain.resolver()] });
    await one.resolve4('found.test');
    expect(await one.authenticated.resolve4('found.test')).toMatchObject({ isSecure: true });
    expect(plain.asked).toHaveLength(2);
  });

  test('one resolver serves all readings of the configuration that ask the same servers', async () => {
    const server = await ZoneServer.start(ZONE);
    const dns = new ProcessDns({ core: () => core, log: () => undefined });
    onTestFinished(() => dns.close());
    const settings = settingsFor(server);
    const [old, next] = [dns.under(() => settings), dns.under(() => ({ ...settings }))];
    await old.resolve4('found.test');
    await next.resolve4('found.test');
    old.close();
    await dns.under(() => settings).resolve4('found.test');
    expect(server.asked).toHaveLength(1);
    expect(next.resolve4Now!('found.test')).toMatchObject({ status: 'found' });
    const byNode = dns.under(() => ({ ...settings, dnsClient: 'node' }));
    expect([byNode.resolve4Now, byNode.resolve4For]).toEqual([undefined, undefined]);
    const trusting = { ...settings, mxTrustedResolvers: AddressRanges.compile(['192.0.2.53']) };
    await dns.under(() => trusting).resolve4('found.test');
    expect(server.asked).toHaveLength(2);
  });
});

describe('files of the system', () => {
  function given(text: string) {
    const folder = mkdtempSync(join(tmpdir(), 'dns-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'file');
    writeFileSync(path, text);
    /** As editors and DHCP clients do it. */
    const replace = (other: string) => {
      writeFileSync(`${path}.new`, other);
      renameSync(`${path}.new`, path);
    };
    return { path, replace };
  }

  test('are read anew when they have changed, and only then', async () => {
    const { path, replace } = given('one');
    const parse = vi.fn((text: string) => [text]);
    const file = new SystemFile(path, parse);
    const first = file.current;
    expect(first).toEqual(['one']);
    await file.look();
    expect(file.current).toBe(first);
    replace('two');
    await file.look();
    expect(file.current).toEqual(['two']);
    rmSync(path);
    await file.look();
    expect(file.current).toEqual(['']);
    expect(parse).toHaveBeenCalledTimes(3);
  });

  test("that can't be read are as they were, and read once they can be", async () => {
    const { path } = given('one');
    const file = new SystemFile(path, (text: string) => [text]);
    expect(file.current).toEqual(['one']);
    rmSync(path);
    // Reading it fails for root, too.
    mkdirSync(path);
    await file.look();
    expect(file.current).toEqual(['one']);
    rmSync(path, { recursive: true });
    writeFileSync(path, 'two');
    await file.look();
    expect(file.current).toEqual(['two']);
  });

  test('a change of resolv.conf is noticed while questions are asked', async () => {
    const { path, replace } = given('nameserver 127.0.0.1\n');
    const file = new SystemFile(path, parseResolvConf);
    expect(file.current.servers).toEqual([{ address: '127.0.0.1', port: 53 }]);
    replace('nameserver 127.0.0.2\n');
    const other = [{ address: '127.0.0.2', port: 53 }];
    await vi.waitFor(() => expect(file.current.servers).toEqual(other), PATIENCE);
  });
});

test('a process that has ended asks nothing, not even by a configuration that has not asked yet', async () => {
  const server = await ZoneServer.start(ZONE);
  const dns = new ProcessDns({ core: () => core, log: () => undefined });
  dns.close();
  const late = dns.under(() => settingsFor(server));
  expect(await late.resolve4('found.test')).toMatchObject({ status: 'failed', reason: 'closed' });
  expect(server.asked).toEqual([]);
});

test('a daemon asks the servers of `dns_servers`, for its plugins and for the names of clients, and ends with them', async () => {
  const server = await ZoneServer.start(ZONE);
  const heard: unknown[] = [];
  const asks = definePlugin({
    name: 'asks',
    about: 'Asks for mail hosts.',
    hooks: {
      async connect({ services, connection }) {
        const answer = await services.dns.mx('found.test');
        heard.push(connection.remoteHost, answer.status);
      },
    },
  });
  const acceptor = new MemoryAcceptor();
  const overlay = new Map([
    ['me', ['mx.test']],
    ['plugins', ['asks']],
    ['dns_servers', [`127.0.0.1:${server.port}`]],
  ]);
  const daemon = await Server.load({ acceptors: [acceptor], directories: [], overlay, definitions: [asks] });
  await daemon.listen();
  const client = new TestClient(acceptor.connect({ address: '192.0.2.9' }));
  expect(await client.reply()).toMatch(/^220 /);
  expect(heard).toEqual(['client.test', 'found']);
  expect(server.asked).toEqual(['PTR 9.2.0.192.in-addr.arpa', 'MX found.test']);
  await daemon.drain(0);
  expect(await daemon.generation.main.dns.mx('other.test')).toMatchObject({
    status: 'failed',
    reason: 'closed',
  });
});
