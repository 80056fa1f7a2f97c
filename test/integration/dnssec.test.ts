/** What DNSSEC vouches for: unbound validates zones of nsd that ldns has signed, and the resolver believes it. RFC 4035. */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asking, expectNothingOpen } from '../dns/asking.ts';
import { DnsServers } from './dns-servers.ts';
import { describeWith, hasProgram } from './needs.ts';

const HASH = 'ab'.repeat(32);
const servers = new DnsServers();

/** Records of a zone, without its name in them. */
const ZONES: Readonly<Record<string, readonly string[]>> = {
  'signed.test': [
    'host A 192.0.2.1',
    'mx MX 10 host',
    '_25._tcp.host TLSA 3 1 1 ' + HASH,
    'alias CNAME host',
    'away CNAME host.plain.signed.test.',
    // Delegated without a DS record: what is below is not signed, and that is proven. RFC 4035 section 5.2.
    'plain NS ns.plain',
    'ns.plain A 127.0.0.1',
  ],
  'plain.signed.test': ['host A 192.0.2.2', 'back CNAME host.signed.test.'],
  'bogus.test': ['host A 192.0.2.3', 'good A 192.0.2.5'],
  'unknown.test': ['host A 192.0.2.6'],
};

function writeZone(name: string): void {
  const head = ['$TTL 300', `$ORIGIN ${name}.`, '@ SOA ns root 1 2 3 4 60', '@ NS ns', 'ns A 127.0.0.1'];
  servers.write(name, [...head, ...ZONES[name]!]);
}

/** Signs the zone in its file; returns the key for those who are to believe it. */
function sign(name: string): string {
  const [keys, zones] = [['-k'], []].map((flags) =>
    servers.run('ldns-keygen', '-r', '/dev/urandom', '-a', 'ED25519', ...flags, name).trim(),
  );
  servers.run('ldns-signzone', '-f', `${name}.signed`, name, keys!, zones!);
  writeFileSync(servers.path(name), readFileSync(servers.path(`${name}.signed`)));
  return readFileSync(servers.path(`${keys}.key`), 'utf8')
    .replace(/;.*/, '')
    .trim();
}

/** Somebody on the way who cannot sign: another address under the same signature. */
function forge(name: string, from: string, to: string): void {
  const text = readFileSync(servers.path(name), 'utf8');
  expect(text).toContain(from);
  writeFileSync(servers.path(name), text.replace(from, to));
}

async function start(): Promise<number> {
  for (const name of Object.keys(ZONES)) writeZone(name);
  const anchors = ['signed.test', 'bogus.test'].map(sign);
  forge('bogus.test', '192.0.2.3', '192.0.2.66');
  const authority = await servers.nsd(Object.keys(ZONES), 'is.it.there.unknown.test');
  const stubs = Object.keys(ZONES).flatMap((name) => [
    'stub-zone:',
    `name: ${name}`,
    `stub-addr: 127.0.0.1@${authority}`,
  ]);
  const lines = [
    'module-config: "validator iterator"',
    'local-zone: "test." nodefault',
    ...anchors.map((anchor) => `trust-anchor: "${anchor.replaceAll('\t', ' ')}"`),
  ];
  return servers.unbound(lines, stubs, 'is.it.there.unknown.test');
}

const hasAll = hasProgram('nsd') && hasProgram('unbound');

(hasAll ? describeWith('ldns-signzone', 'ldnsutils') : describeWith('nsd', 'nsd unbound'))('unbound', () => {
  let port = 0;
  test('starts', async () => {
    port = await start();
  });

  const given = (isTrusted = true, address = '127.0.0.1') => asking([{ address, port, isTrusted }]);

  test('vouches for what is signed, of every type, and for what is not there', async () => {
    const dns = given();
    const found = (...records: unknown[]) => ({ status: 'found', records, isSecure: true });
    expect(await dns.resolve4('host.signed.test')).toMatchObject(found('192.0.2.1'));
    expect(await dns.mx('mx.signed.test')).toMatchObject(
      found({ exchange: 'host.signed.test', preference: 10 }),
    );
    const tlsa = { usage: 3, selector: 1, matching: 1, data: Buffer.from(HASH, 'hex') };
    expect(await dns.tlsa('_25._tcp.host.signed.test')).toMatchObject(found(tlsa));
    expect(await dns.resolve4('alias.signed.test')).toMatchObject({
      ...found('192.0.2.1'),
      canonicalName: 'host.signed.test',
    });
    expect(await dns.cname('away.signed.test')).toMatchObject(found('host.plain.signed.test'));
    expect(await dns.resolve6('host.signed.test')).toMatchObject({
      status: 'no such record',
      isSecure: true,
    });
    expect(await dns.tlsa('_25._tcp.none.signed.test')).toMatchObject({
      status: 'no such name',
      isSecure: true,
    });
    expectNothingOpen(dns);
  });

  test('does not for what is not signed, be it a zone, a delegation or one alias on the way', async () => {
    const dns = given();
    for (const [name, address] of [
      ['host.unknown.test', '192.0.2.6'],
      ['host.plain.signed.test', '192.0.2.2'],
      ['away.signed.test', '192.0.2.2'],
      ['back.plain.signed.test', '192.0.2.1'],
    ] as const)
      expect(await dns.resolve4(name), name).toMatchObject({
        status: 'found',
        records: [address],
        isSecure: false,
      });
    expect(await dns.tlsa('_25._tcp.host.plain.signed.test')).toMatchObject({
      status: 'no such name',
      isSecure: false,
    });
    expectNothingOpen(dns);
  });

  test('gives nothing of what is forged, and that is a failure, not an absence', async () => {
    const dns = given();
    expect(await dns.resolve4('host.bogus.test')).toMatchObject({
      status: 'failed',
      reason: 'SERVFAIL',
      isSecure: false,
    });
    expect(await dns.resolve4('good.bogus.test')).toMatchObject({ records: ['192.0.2.5'], isSecure: true });
    expectNothingOpen(dns);
  });

  test('is not believed where it is not trusted', async () => {
    const answer = await given(false).resolve4('host.signed.test');
    expect(answer).toMatchObject({ status: 'found', isSecure: false });
  });

  test('is asked over IPv6', async () => {
    const dns = given(true, '::1');
    expect(await dns.resolve4('host.signed.test')).toMatchObject({ status: 'found', isSecure: true });
    expectNothingOpen(dns);
  });
});
