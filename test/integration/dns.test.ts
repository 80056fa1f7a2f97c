/** The resolver with the DNS servers of Debian on loopback: unbound, nsd and dnsmasq. */

import { expect, test } from 'vitest';
import type { DnsAnswer } from '../../bindings/plugin/resolver.ts';
import { asking, expectNothingOpen } from '../dns/asking.ts';
import { questionOf, ZoneServer } from '../dns/zone-server.ts';
import { freePort } from '../free-port.ts';
import { DnsServers } from './dns-servers.ts';
import { describeWith } from './needs.ts';

const NAME = 'mixedcaseletters.zone.test';
const HASH = 'ab'.repeat(32);
/** More than a datagram of 1232 octets holds. */
const TEXTS = Array.from({ length: 12 }, (_, at) => `text ${at} `.padEnd(250, 'x'));

/** `NAME TYPE DATA`, in the words of zone files. RFC 1035 section 5. */
const RECORDS = [
  `${NAME}. A 192.0.2.1`,
  `${NAME}. AAAA 2001:db8::1`,
  `${NAME}. MX 10 mx.zone.test.`,
  `${NAME}. TXT "v=spf1 " "-all"`,
  `alias.zone.test. CNAME ${NAME}.`,
  `_25._tcp.mx.zone.test. TLSA 3 1 1 ${HASH}`,
  ...TEXTS.map((text) => `long.zone.test. TXT "${text}"`),
  ...Array.from({ length: 300 }, (_, at) => `many.zone.test. A 198.51.${at >> 8}.${at & 0xff}`),
];
const REVERSE = '1.2.0.192.in-addr.arpa. PTR mx.zone.test.';

const servers = new DnsServers();

const SOA = 'SOA ns.zone.test. root.zone.test. 1 2 3 4 60';

function unbound(): Promise<number> {
  const zone = (name: string) => [`local-zone: "${name}" static`, `local-data: '${name} 300 ${SOA}'`];
  const data = [...RECORDS, REVERSE].map((record) => `local-data: '${record.replace(/ /, ' 300 IN ')}'`);
  return servers.unbound([
    'module-config: "iterator"',
    ...zone('zone.test.'),
    ...zone('2.0.192.in-addr.arpa.'),
    ...data,
  ]);
}

function nsd(): Promise<number> {
  const zone = (name: string, records: readonly string[]) =>
    servers.write(name, ['$TTL 300', `$ORIGIN ${name}.`, `@ 300 ${SOA}`, '@ NS ns.zone.test.', ...records]);
  zone('zone.test', RECORDS);
  zone('2.0.192.in-addr.arpa', [REVERSE]);
  return servers.nsd(['zone.test', '2.0.192.in-addr.arpa']);
}

describeWith('unbound', 'unbound').each([
  ['unbound', unbound],
  ['nsd', nsd],
] as const)('%s', (_, start) => {
  let port = 0;
  test('starts', async () => {
    port = await start();
  });

  /** What the log says is looked at: it would tell of letters that are not kept, and of missing EDNS. */
  const given = () =>
    asking([{ address: '127.0.0.1', port, isTrusted: true }], { log: (__, text) => expect(text).toBe('') });

  test('is asked for all types', async () => {
    const dns = given();
    const found = (...records: unknown[]) => ({ status: 'found', records, isSecure: false });
    expect(await dns.resolve4(NAME)).toMatchObject(found('192.0.2.1'));
    expect(await dns.resolve6(NAME)).toMatchObject(found('2001:db8::1'));
    expect(await dns.mx(NAME)).toMatchObject(found({ exchange: 'mx.zone.test', preference: 10 }));
    expect(await dns.txt(NAME)).toMatchObject(found('v=spf1 -all'));
    expect(await dns.reverse('192.0.2.1')).toMatchObject(found('mx.zone.test'));
    expect(await dns.cname('alias.zone.test')).toMatchObject(found(NAME));
    const tlsa = { usage: 3, selector: 1, matching: 1, data: Buffer.from(HASH, 'hex') };
    expect(await dns.tlsa('_25._tcp.mx.zone.test')).toMatchObject(found(tlsa));
    expect(await dns.resolve4('alias.zone.test')).toMatchObject({
      records: ['192.0.2.1'],
      canonicalName: NAME,
    });
    expect(await dns.mx('none.zone.test')).toMatchObject({ status: 'no such name' });
    expect(await dns.mx('alias.zone.test')).toMatchObject({ status: 'found', canonicalName: NAME });
    expect(await dns.tlsa(NAME)).toMatchObject({ status: 'no such record' });
    expectNothingOpen(dns);
  });

  test('is asked over TCP for what does not fit', async () => {
    const dns = given();
    const answer = await dns.txt('long.zone.test');
    expect(answer.status === 'found' && [...answer.records].sort()).toEqual([...TEXTS].sort());
    const many = await dns.resolve4('many.zone.test');
    expect(many.status === 'found' && many.records).toHaveLength(256);
    expectNothingOpen(dns);
  });

  test('answers many questions at once, each asked once', async () => {
    const dns = given();
    const names = Array.from({ length: 2_000 }, (_, at) => `n${at}.zone.test`);
    const answers = await Promise.all([...names, ...names].map((name) => dns.resolve4(name)));
    expect(answers.every(({ status }) => status === 'no such name')).toBe(true);
    expect(dns.counts.kept).toBe(2_000);
    expectNothingOpen(dns);
  });
});

describeWith('unbound', 'unbound')('unbound that does not serve us', () => {
  test('is followed by the next server at once', async () => {
    const isUp = (answer: DnsAnswer<string>) => answer.status === 'failed' && answer.reason === 'REFUSED';
    const port = await servers.unbound(['access-control: 127.0.0.0/8 refuse'], [], 'zone.test', isUp);
    const other = await ZoneServer.start({ 'A a.test': { records: [['A a.test', '192.0.2.1']] } });
    const dns = asking([{ address: '127.0.0.1', port, isTrusted: true }, other.resolver()]);
    expect(await dns.resolve4('a.test')).toMatchObject({ status: 'found' });
    expectNothingOpen(dns);
  });
});

describeWith('dnsmasq', 'dnsmasq-base')('dnsmasq', () => {
  let port = 0;
  let upstream: number;
  test('starts', async () => {
    upstream = await freePort();
    port = await freePort();
    await servers.begin(port, [
      'dnsmasq',
      '--keep-in-foreground',
      '--no-resolv',
      '--no-hosts',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=',
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      `--port=${port}`,
      '--cache-size=0',
      '--proxy-dnssec',
      `--server=/signed.test/127.0.0.1#${upstream}`,
      '--local=/zone.test/',
      '--host-record=host.zone.test,192.0.2.1,2001:db8::1',
      '--mx-host=zone.test,mx.zone.test,10',
      '--txt-record=zone.test,v=spf1 -all',
      '--cname=alias.zone.test,host.zone.test',
    ]);
  });

  const given = (isTrusted: boolean) => asking([{ address: '127.0.0.1', port, isTrusted }]);

  test('is asked for what it knows itself', async () => {
    const dns = given(true);
    expect(await dns.resolve4('alias.zone.test')).toMatchObject({
      records: ['192.0.2.1'],
      canonicalName: 'host.zone.test',
    });
    expect(await dns.resolve6('host.zone.test')).toMatchObject({ records: ['2001:db8::1'] });
    expect(await dns.reverse('192.0.2.1')).toMatchObject({ records: ['host.zone.test'] });
    expect(await dns.mx('zone.test')).toMatchObject({
      records: [{ exchange: 'mx.zone.test', preference: 10 }],
    });
    expect(await dns.txt('zone.test')).toMatchObject({ records: ['v=spf1 -all'] });
    expect(await dns.mx('other.zone.test')).toMatchObject({ status: 'no such name' });
    expectNothingOpen(dns);
  });

  test('hands on what DNSSEC says, which counts where it is trusted', async () => {
    const server = await ZoneServer.start(
      { 'A a.signed.test': { records: [['A a.signed.test', '192.0.2.1']], isSecure: true } },
      upstream,
    );
    expect(await given(true).resolve4('a.signed.test')).toMatchObject({ status: 'found', isSecure: true });
    expect(await given(false).resolve4('a.signed.test')).toMatchObject({ status: 'found', isSecure: false });
    // The letters of the question reach the server after it, too.
    expect(server.questions.map((question) => questionOf(question).name.toLowerCase())).toContain(
      'a.signed.test',
    );
  });
});
