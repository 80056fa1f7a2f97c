/** What TLS has to be, case by case: RFC 7672 section 2, RFC 8461, RFC 8689. */

import { describe, expect, onTestFinished, test } from 'vitest';
import type { SenderWish } from '../../../plugins/queue/mx/mail-routes.ts';
import { asking } from '../../dns/asking.ts';
import type { TlsaRecord } from '../../../bindings/plugin/resolver.ts';
import { ZoneServer, type Said, type Zone } from '../../dns/zone-server.ts';
import { a, FAILS, given, mx, PLAIN, routeOf, SECURE } from './given-routes.ts';
import { policyText } from './policy-server.ts';

const ee: TlsaRecord = { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 1) };
const pkix: TlsaRecord = { ...ee, usage: 1 };
const tlsaAt = (name: string, ...records: TlsaRecord[]): Said => ({
  ...SECURE,
  records: records.map((record) => [`TLSA _25._tcp.${name}`, record]),
});
const TLSA = 'TLSA _25._tcp.mx.a.example';
/** All of it signed, but for what a case changes. */
const signed = (changes: Zone): Zone => ({
  'MX a.example': { ...mx('10 mx.a.example'), ...SECURE },
  'A mx.a.example': { ...a('mx.a.example', '11.0.0.1'), ...SECURE },
  ...changes,
});
const at = (level: string): string[] => [`mx.a.example 11.0.0.1 ${level}`];
const DEFERRED = ['deferred 451 4.7.5'];
/** `mx.a.example` is an alias of `box.example`. */
const alias = (isSecure: boolean): Said => ({
  isSecure,
  records: [
    ['CNAME mx.a.example', 'box.example'],
    ['A box.example', '11.0.0.1'],
  ],
});
const TO_BOX: readonly [string, string] = ['CNAME mx.a.example', 'box.example'];

describe('DANE (RFC 7672 section 2)', () => {
  test.each<[string, () => Zone, readonly string[]]>([
    ['records that can be used', () => signed({ [TLSA]: tlsaAt('mx.a.example', ee) }), at('verified')],
    ['2.2: none of them can be used', () => signed({ [TLSA]: tlsaAt('mx.a.example', pkix) }), at('required')],
    [
      '2.2: one of them can be used',
      () => signed({ [TLSA]: tlsaAt('mx.a.example', pkix, ee) }),
      at('verified'),
    ],
    ['2.2: certainly no records', () => signed({ [TLSA]: { ...SECURE, code: 3 } }), at('opportunistic')],
    [
      '2.2: records that are not signed',
      () => signed({ [TLSA]: { ...tlsaAt('mx.a.example', ee), isSecure: false } }),
      at('opportunistic'),
    ],
    ['2.1.2: a look-up that fails', () => signed({ [TLSA]: FAILS }), DEFERRED],
    ['2.1.2: silence', () => signed({ [TLSA]: { spoil: () => [] } }), DEFERRED],
    [
      '2.2.1: a list that is not signed',
      () => signed({ 'MX a.example': mx('10 mx.a.example'), [TLSA]: tlsaAt('mx.a.example', ee) }),
      at('opportunistic'),
    ],
    ['2.1.2: a list that fails', () => signed({ 'MX a.example': FAILS }), ['deferred 451 4.4.3']],
    [
      '2.2.2: addresses that are not signed, TLSA not asked',
      () => signed({ 'A mx.a.example': a('mx.a.example', '11.0.0.1'), [TLSA]: FAILS }),
      at('opportunistic'),
    ],
    [
      '2.2.3: a signed alias to a signed host with records',
      () =>
        signed({
          'A mx.a.example': alias(true),
          'TLSA _25._tcp.box.example': tlsaAt('box.example', ee),
          [TLSA]: FAILS,
        }),
      at('verified'),
    ],
    [
      '2.2.2: a signed alias, records at the alias',
      () => signed({ 'A mx.a.example': alias(true), [TLSA]: tlsaAt('mx.a.example', ee) }),
      at('verified'),
    ],
    [
      '2.2.2: a signed alias, records at its end that fail',
      () =>
        signed({
          'A mx.a.example': alias(true),
          'TLSA _25._tcp.box.example': FAILS,
          [TLSA]: tlsaAt('mx.a.example', ee),
        }),
      DEFERRED,
    ],
    [
      '2.2.2: a signed alias to a host that is not signed, records at the alias',
      () =>
        signed({
          'A mx.a.example': alias(false),
          'CNAME mx.a.example': { ...SECURE, records: [TO_BOX] },
          [TLSA]: tlsaAt('mx.a.example', ee),
        }),
      at('verified'),
    ],
    [
      '2.2.2: an alias that is not signed',
      () =>
        signed({
          'A mx.a.example': alias(false),
          'CNAME mx.a.example': { records: [TO_BOX] },
          [TLSA]: tlsaAt('mx.a.example', ee),
        }),
      at('opportunistic'),
    ],
    [
      '2.2.2: an alias nobody can tell about',
      () =>
        signed({
          'A mx.a.example': alias(false),
          'CNAME mx.a.example': FAILS,
          [TLSA]: tlsaAt('mx.a.example', ee),
        }),
      DEFERRED,
    ],
  ])('%s', async (_, zone, expected) => {
    expect(await routeOf(zone())).toEqual(expected);
  });

  test('2.2.2: a domain without a list is its own host', async () => {
    const zone: Zone = {
      'MX a.example': SECURE,
      'A a.example': { ...a('a.example', '11.0.0.1'), ...SECURE },
      'TLSA _25._tcp.a.example': tlsaAt('a.example', ee),
    };
    expect(await routeOf(zone)).toEqual(['a.example 11.0.0.1 verified']);
  });

  test('2.1.2: a host whose records fail is passed over for the next', async () => {
    const zone = signed({
      'MX a.example': { ...mx('10 mx.a.example', '20 spare.example'), ...SECURE },
      'A spare.example': { ...a('spare.example', '11.0.0.2'), ...SECURE },
      [TLSA]: FAILS,
    });
    const { routes, counters, log } = await given(zone);
    const route = await routes.routeTo('a.example');
    expect(route.kind === 'hosts' && route.hosts.map(({ name }) => name)).toEqual(['spare.example']);
    expect(log.lines).toEqual([
      'a.example: mx.a.example: passed over: TLSA: SERVFAIL',
      'a.example: spare.example: opportunistic TLS',
    ]);
    const failures = { 'dnssec-invalid': 1 };
    expect(counters.counts).toEqual([{ domain: 'a.example', policyType: 'tlsa', successes: 0, failures }]);
  });

  const namesFor = async (zone: Zone) => {
    const { routes } = await given(zone);
    const route = await routes.routeTo('a.example');
    const { serverName, names } = (route.kind === 'hosts' ? route.hosts[0]?.tls : undefined) ?? {};
    return { serverName, names };
  };

  test('3.2.2, 8.1: the hop is told the base domain, and may stand for the domain of the mailboxes', async () => {
    expect(await namesFor(signed({ [TLSA]: tlsaAt('mx.a.example', ee) }))).toEqual({
      serverName: 'mx.a.example',
      names: ['mx.a.example', 'a.example'],
    });
    const zone = signed({
      'A mx.a.example': alias(true),
      'TLSA _25._tcp.box.example': tlsaAt('box.example', ee),
    });
    expect(await namesFor(zone)).toEqual({ serverName: 'box.example', names: ['box.example', 'a.example'] });
  });

  test('3.2.2: a domain that is an alias may be stood for by the name behind it', async () => {
    const zone = signed({
      'MX a.example': {
        ...SECURE,
        records: [
          ['CNAME a.example', 'b.example'],
          ['CNAME b.example', 'c.example'],
          ['MX c.example', '10 mx.a.example'],
        ],
      },
      [TLSA]: tlsaAt('mx.a.example', ee),
    });
    const names = ['mx.a.example', 'a.example', 'c.example'];
    expect(await namesFor(zone)).toEqual({ serverName: 'mx.a.example', names });
  });

  test('3.2.2: without a list, names are the base domain and the domain', async () => {
    const behind: Said = {
      ...SECURE,
      records: [
        ['CNAME a.example', 'c.example'],
        ['A c.example', '11.0.0.1'],
      ],
    };
    const zone: Zone = {
      'MX a.example': { ...SECURE, records: [['CNAME a.example', 'c.example']] },
      'MX c.example': SECURE,
      'A a.example': behind,
    };
    const atEnd = { ...zone, 'TLSA _25._tcp.c.example': tlsaAt('c.example', ee) };
    expect((await namesFor(atEnd)).names).toEqual(['c.example', 'a.example']);
    const atAlias = { ...zone, 'TLSA _25._tcp.a.example': tlsaAt('a.example', ee) };
    expect((await namesFor(atAlias)).names).toEqual(['a.example']);
  });

  test('8.1: the hop is told the base domain also where none of its records can be used', async () => {
    const zone = signed({
      'A mx.a.example': alias(true),
      'TLSA _25._tcp.box.example': tlsaAt('box.example', pkix),
    });
    expect((await namesFor(zone)).serverName).toBe('box.example');
  });

  test('a resolver nobody vouches for is not believed', async () => {
    const server = await ZoneServer.start(signed({ [TLSA]: tlsaAt('mx.a.example', ee) }));
    onTestFinished(() => server.close());
    const dns = asking([server.resolver(false)]);
    const { routes } = await given({}, undefined, { dns });
    const route = await routes.routeTo('a.example');
    expect(route.kind === 'hosts' && route.hosts[0]?.tls?.level).toBe('opportunistic');
  });
});

describe('MTA-STS (RFC 8461)', () => {
  const enforce = policyText('enforce');
  const elsewhere = policyText('enforce', ['mx.b.example']);
  test.each<[string, () => Zone, string, readonly string[]]>([
    ['enforced', () => PLAIN, enforce, at('verified')],
    ['enforced by a wildcard', () => PLAIN, policyText('enforce', ['*.a.example']), at('verified')],
    ['enforced, for other hosts', () => PLAIN, elsewhere, DEFERRED],
    ['tried out', () => PLAIN, policyText('testing'), at('opportunistic')],
    ['tried out, for other hosts', () => PLAIN, policyText('testing', ['mx.b.example']), at('opportunistic')],
    ['given up', () => PLAIN, policyText('none', []), at('opportunistic')],
    ['beside DANE', () => signed({ [TLSA]: tlsaAt('mx.a.example', ee) }), elsewhere, at('verified')],
    ['beside DANE that fails', () => signed({ [TLSA]: FAILS }), enforce, DEFERRED],
    [
      'beside DANE nobody can use',
      () => signed({ [TLSA]: tlsaAt('mx.a.example', pkix) }),
      enforce,
      at('verified'),
    ],
    [
      'beside DANE nobody can use, for other hosts',
      () => signed({ [TLSA]: tlsaAt('mx.a.example', pkix) }),
      elsewhere,
      DEFERRED,
    ],
  ])('%s', async (_, zone, sts, expected) => {
    expect(await routeOf(zone(), sts)).toEqual(expected);
  });

  test('beside DANE it is DANE that judges', async () => {
    const { routes, counters } = await given(signed({ [TLSA]: tlsaAt('mx.a.example', ee) }), enforce);
    const route = await routes.routeTo('a.example');
    const judge = route.kind === 'hosts' ? route.hosts[0]?.tls?.judge : undefined;
    // What authorities of the web vouch for, and no record stands for.
    const problem = judge?.({ chain: [], distrust: undefined, hasName: true });
    expect(problem).toBe('no TLSA record stands for it');
    const failures = { 'validation-failure': 1 };
    expect(counters.counts).toEqual([{ domain: 'a.example', policyType: 'tlsa', successes: 0, failures }]);
  });
});

describe('what the sender asks for (RFC 8689)', () => {
  const NOT_REQUIRABLE = ['refused 550 5.7.30'];
  test.each<[string, () => Zone, string | undefined, SenderWish, readonly string[]]>([
    ['REQUIRETLS to a list that is not signed', () => PLAIN, undefined, 'required', NOT_REQUIRABLE],
    [
      'REQUIRETLS under a policy that is tried out and has the host',
      () => PLAIN,
      policyText('testing'),
      'required',
      at('verified'),
    ],
    [
      'REQUIRETLS under a policy that is tried out and has other hosts',
      () => PLAIN,
      policyText('testing', ['mx.b.example']),
      'required',
      NOT_REQUIRABLE,
    ],
    [
      'REQUIRETLS under a policy that is given up',
      () => PLAIN,
      policyText('none'),
      'required',
      NOT_REQUIRABLE,
    ],
    [
      'REQUIRETLS to a domain that is its own host',
      () => ({ 'A a.example': a('a.example', '11.0.0.1') }),
      undefined,
      'required',
      ['a.example 11.0.0.1 verified'],
    ],
    [
      'REQUIRETLS under a policy that is enforced',
      () => PLAIN,
      policyText('enforce'),
      'required',
      at('verified'),
    ],
    ['REQUIRETLS to a signed list', () => signed({}), undefined, 'required', at('verified')],
    [
      'REQUIRETLS and DANE nobody can use',
      () => signed({ [TLSA]: tlsaAt('mx.a.example', pkix) }),
      undefined,
      'required',
      at('verified'),
    ],
    [
      'REQUIRETLS and DANE',
      () => signed({ [TLSA]: tlsaAt('mx.a.example', ee) }),
      undefined,
      'required',
      at('verified'),
    ],
    ['TLS-Required: No and DANE', () => signed({ [TLSA]: FAILS }), undefined, 'waived', at('opportunistic')],
    [
      'TLS-Required: No and MTA-STS',
      () => PLAIN,
      policyText('enforce', ['mx.b.example']),
      'waived',
      at('opportunistic'),
    ],
  ])('%s', async (_, zone, sts, wish, expected) => {
    expect(await routeOf(zone(), sts, wish)).toEqual(expected);
  });
});
