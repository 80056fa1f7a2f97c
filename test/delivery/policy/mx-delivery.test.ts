/** Whole deliveries by MX: a real DNS, web server and mail hosts, all on the loopback interface. */

import { createSecureContext } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { openMailExchange, type MxOptions } from '../../../plugins/queue/mx/mail-exchange.ts';
import { askingService } from '../../dns/asking.ts';
import { webClient } from '../../../host/http/web-client.ts';
import { PLAIN_MAIL } from '../../../host/session/envelope-parameters.ts';
import { ZoneServer, type Said, type Zone } from '../../dns/zone-server.ts';
import { MemoryStores } from '../../../host/testing/memory-store.ts';
import { hopSetup, keptLog, LETTER, mailTo } from '../mail-object.ts';
import { ScriptedHop, type Script } from '../scripted-hop.ts';
import { messageOf } from '../transaction.ts';
import { issue, tlsa, type Issued } from './certificates.ts';
import { PolicyCounts } from './policy-counts.ts';
import { PolicyServer, policyText } from './policy-server.ts';

const authority = issue('authority', { isAuthority: true });
const web = issue('web', { by: authority, names: ['mta-sts.a.example'] });
const good = issue('mx', { by: authority, names: ['mx.a.example'] });
const wrong = issue('mx', { by: authority, names: ['mx.b.example'] });
const byCommonName = issue('mx.a.example', { by: authority });
const forPart = issue('mx', { by: authority, names: ['m*.a.example'] });
const own = issue('whoever');

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Given {
  /** For the port of the hop. */
  readonly zone: (port: number) => Zone;
  /** The certificate of the hop; undefined: it offers no TLS. */
  readonly certificate?: Issued | undefined;
  readonly script?: Script;
  readonly sts?: string;
  readonly options?: Partial<MxOptions>;
}

async function given({ zone, certificate, script = {}, sts, options }: Given) {
  const tls =
    certificate === undefined
      ? undefined
      : createSecureContext({ key: certificate.key, cert: certificate.certificate + authority.certificate });
  const offers = [...(tls === undefined ? [] : ['STARTTLS']), ...(script.offers ?? [])];
  const hop = await ScriptedHop.start({ ...script, offers, tls });
  const dns = await ZoneServer.start(zone(hop.port));
  const page = await PolicyServer.start(web, authority);
  if (sts !== undefined) page.has(sts);
  const log = keptLog();
  const services = {
    ...hopSetup.services,
    clock: { now: () => Date.now() },
    dns: askingService({ mxResolvers: [dns.resolver()] }),
    http: webClient,
    store: new MemoryStores({ now: () => Date.now() }),
  };
  const policies = new PolicyCounts();
  const outlet = openMailExchange(
    { helloName: 'us.example', port: hop.port, log, ...options },
    { ...hopSetup, services },
    { mayReach: () => true, stsPort: page.port, authorities: authority.certificate, count: policies.count },
  );
  closers.push(
    () => hop.close(),
    () => dns.close(),
    () => page.close(),
    () => outlet.close(),
  );
  return { hop, dns, page, outlet, log, policies };
}

const PLAIN: Zone = {
  'MX a.example': { records: [['MX a.example', '10 mx.a.example']] },
  'A mx.a.example': { records: [['A mx.a.example', '127.0.0.1']] },
};
const signed = (changes: Zone = {}): Zone => ({
  'MX a.example': { ...PLAIN['MX a.example'], isSecure: true },
  'A mx.a.example': { ...PLAIN['A mx.a.example'], isSecure: true },
  ...changes,
});
const withTlsa =
  (words: string, certificate: Issued) =>
  (port: number): Zone => {
    const name = `TLSA _${port}._tcp.mx.a.example`;
    const said: Said = { isSecure: true, records: [[name, tlsa(words, certificate)]] };
    return signed({ [name]: said });
  };
const STS: Zone = {
  ...PLAIN,
  'A mta-sts.a.example': { records: [['A mta-sts.a.example', '127.0.0.1']] },
  'TXT _mta-sts.a.example': { records: [['TXT _mta-sts.a.example', 'v=STSv1; id=1;']] },
};

/** Nobody can say for now whether the other host would do. */
const HALF_KNOWN: Zone = {
  'MX a.example': {
    isSecure: true,
    records: [
      ['MX a.example', '10 mx.a.example'],
      ['MX a.example', '20 other.a.example'],
    ],
  },
  'A other.a.example': { code: 2 },
  'AAAA other.a.example': { code: 2 },
};
const DELIVERED = 'delivered 250 2.0.0';
const said = async (all: Given, parts = {}): Promise<string> => {
  const { outlet } = await given(all);
  const report = await outlet.deliver(mailTo(['u@A.example'], parts));
  return report.map(({ kind, reply }) => `${kind} ${reply.code} ${reply.status ?? ''}`).join();
};

describe('what is delivered, and what is not', () => {
  test.each<[string, Given, string]>([
    ['no policy, no TLS', { zone: () => PLAIN }, DELIVERED],
    ['no policy, any certificate', { zone: () => PLAIN, certificate: own }, DELIVERED],
    ['DANE-EE', { zone: withTlsa('3 1 1', own), certificate: own }, DELIVERED],
    ['DANE-EE of another', { zone: withTlsa('3 1 1', good), certificate: own }, 'deferred 451 4.7.5'],
    ['DANE-EE and no TLS', { zone: withTlsa('3 1 1', good) }, 'deferred 451 4.7.4'],
    ['DANE-TA', { zone: withTlsa('2 0 1', authority), certificate: good }, DELIVERED],
    [
      'DANE-TA and another name',
      { zone: withTlsa('2 0 1', authority), certificate: wrong },
      'deferred 451 4.7.5',
    ],
    ['DANE nobody can use', { zone: withTlsa('1 1 1', authority), certificate: own }, DELIVERED],
    ['DANE nobody can use and no TLS', { zone: withTlsa('1 1 1', authority) }, 'deferred 451 4.7.4'],
    [
      'DANE that is not looked for',
      { zone: withTlsa('3 1 1', good), options: { isDaneUsed: false } },
      DELIVERED,
    ],
    ['MTA-STS', { zone: () => STS, sts: policyText('enforce'), certificate: good }, DELIVERED],
    [
      'MTA-STS and another name',
      { zone: () => STS, sts: policyText('enforce'), certificate: wrong },
      'deferred 451 4.7.5',
    ],
    [
      'MTA-STS and any certificate',
      { zone: () => STS, sts: policyText('enforce'), certificate: own },
      'deferred 451 4.7.5',
    ],
    [
      'MTA-STS and the name as common name only',
      { zone: () => STS, sts: policyText('enforce'), certificate: byCommonName },
      'deferred 451 4.7.5',
    ],
    [
      'MTA-STS and a star for part of a label',
      { zone: () => STS, sts: policyText('enforce'), certificate: forPart },
      'deferred 451 4.7.5',
    ],
    ['MTA-STS and no TLS', { zone: () => STS, sts: policyText('enforce') }, 'deferred 451 4.7.4'],
    [
      'MTA-STS that is tried out',
      { zone: () => STS, sts: policyText('testing'), certificate: own },
      DELIVERED,
    ],
    ['MTA-STS that cannot be had', { zone: () => STS, certificate: own }, DELIVERED],
    [
      'MTA-STS that is not looked for',
      { zone: () => STS, sts: policyText('enforce'), options: { isStsUsed: false } },
      DELIVERED,
    ],
    [
      'a null MX',
      { zone: () => ({ 'MX a.example': { records: [['MX a.example', '0 .']] } }) },
      'refused 556 5.1.10',
    ],
  ])('%s', async (_, all, expected) => {
    expect(await said(all)).toBe(expected);
  });

  const mailOptions = { ...PLAIN_MAIL, requireTls: true };
  test.each<[string, Given, string]>([
    ['without DNSSEC', { zone: () => PLAIN, certificate: good }, 'refused 550 5.7.30'],
    [
      'with DNSSEC, to a hop that promises it',
      { zone: () => signed(), certificate: good, script: { offers: ['REQUIRETLS'] } },
      DELIVERED,
    ],
    [
      'with DNSSEC, the name as common name',
      { zone: () => signed(), certificate: byCommonName, script: { offers: ['REQUIRETLS'] } },
      DELIVERED,
    ],
    [
      'with DNSSEC, to a hop that does not',
      { zone: () => signed(), certificate: good },
      'refused 550 5.7.30',
    ],
    [
      'with DNSSEC, another name',
      { zone: () => signed(), certificate: wrong, script: { offers: ['REQUIRETLS'] } },
      'refused 550 5.7.10',
    ],
    ['with DNSSEC, to a hop without TLS', { zone: () => signed() }, 'refused 550 5.7.10'],
    [
      'with DNSSEC, to one of two hosts without TLS',
      { zone: () => signed(HALF_KNOWN) },
      'deferred 451 4.4.3',
    ],
    [
      'with DNSSEC, to one of two hosts',
      { zone: () => signed(HALF_KNOWN), certificate: good, script: { offers: ['REQUIRETLS'] } },
      DELIVERED,
    ],
    [
      'with DANE',
      { zone: withTlsa('3 1 1', own), certificate: own, script: { offers: ['REQUIRETLS'] } },
      DELIVERED,
    ],
  ])('REQUIRETLS %s', async (_, all, expected) => {
    expect(await said(all, { mailOptions })).toBe(expected);
  });

  test('TLS-Required: No goes out whatever the domain wants', async () => {
    const message = messageOf(`TLS-Required: No\r\n${LETTER}`);
    expect(await said({ zone: withTlsa('3 1 1', good), certificate: own }, { message })).toBe(DELIVERED);
  });
});

test('the policy that was applied stands in the log, and what came of it is counted', async () => {
  const { outlet, log, policies } = await given({ zone: withTlsa('3 1 1', own), certificate: own });
  await outlet.deliver(mailTo(['u@a.example']));
  expect(log.lines[0]).toBe('a.example: mx.a.example: DANE by the records of mx.a.example');
  expect(policies.counts).toEqual([{ domain: 'a.example', policyType: 'tlsa', successes: 1, failures: {} }]);
});

test('RFC 8460 section 3: a message that waives policies, as reports do, is in no report itself', async () => {
  const { outlet, policies } = await given({ zone: withTlsa('3 1 1', good), certificate: own });
  const message = messageOf(`TLS-Required: No\r\n${LETTER}`);
  await outlet.deliver({ ...mailTo(['u@a.example']), message });
  expect(policies.counts).toEqual([]);
});

test.each<[string, Given, string, object]>([
  [
    'no TLS under MTA-STS',
    { zone: () => STS, sts: policyText('enforce') },
    'sts',
    { 'starttls-not-supported': 1 },
  ],
  [
    'a wrong name while MTA-STS is tried out',
    { zone: () => STS, sts: policyText('testing'), certificate: wrong },
    'sts',
    { 'certificate-host-mismatch': 1 },
  ],
  [
    'a stranger while MTA-STS is tried out',
    { zone: () => STS, sts: policyText('testing'), certificate: own },
    'sts',
    { 'certificate-not-trusted': 1 },
  ],
  ['a policy that is not there', { zone: () => STS }, 'sts', { 'sts-policy-fetch-error': 1 }],
  ['a policy that is none', { zone: () => STS, sts: 'x' }, 'sts', { 'sts-policy-invalid': 1 }],
])('counted: %s', async (_, all, policyType, failures) => {
  const { outlet, policies } = await given(all);
  await outlet.deliver(mailTo(['u@a.example']));
  expect(policies.counts).toContainEqual({ domain: 'a.example', policyType, successes: 0, failures });
});

describe('several domains', () => {
  const zone = (): Zone => ({
    ...PLAIN,
    'MX b.example': { records: [['MX b.example', '10 mx.a.example']] },
    'MX c.example': { records: [['MX c.example', '0 .']] },
  });

  test('each gets the message over its own hosts, and an outcome of its own', async () => {
    const { outlet, hop } = await given({ zone });
    const mail = mailTo(['1@a.example', '2@b.example', '3@c.example', '4@A.example.'], {
      isTrackedByRecipient: true,
    });
    const report = await outlet.deliver(mail);
    expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'refused', 'delivered']);
    expect(hop.lines.filter((line) => line.startsWith('RCPT')).sort()).toEqual(
      ['1@a.example', '2@b.example', '4@A.example.'].map((mailbox) => `RCPT TO:<${mailbox}>`),
    );
    expect(hop.lines.filter((line) => line.startsWith('MAIL'))).toHaveLength(2);
  });

  test('an address without a domain, and one the DNS cannot have, lead nowhere', async () => {
    const { outlet, dns } = await given({ zone });
    const mail = mailTo(['postmaster', 'u@a_b..example'], { isTrackedByRecipient: true });
    expect((await outlet.deliver(mail)).map(({ reply }) => reply.status)).toEqual(['5.1.2', '5.1.2']);
    expect(dns.asked.filter((question) => question.startsWith('MX'))).toEqual([]);
  });

  test('a domain in Unicode is asked for as the DNS has it', async () => {
    const { outlet, dns } = await given({ zone });
    await outlet.deliver(mailTo(['u@müller.example']));
    expect(dns.asked).toContain('MX xn--mller-kva.example');
  });

  test('whoever calls the delivery off does not wait for the DNS', async () => {
    const { outlet } = await given({ zone: () => ({ 'MX a.example': { spoil: () => [] } }) });
    const stop = new AbortController();
    const report = outlet.deliver(mailTo(['u@a.example']), stop.signal);
    stop.abort();
    expect((await report)[0]).toMatchObject({ kind: 'deferred', reply: { code: 451, status: '4.4.3' } });
  });
});
