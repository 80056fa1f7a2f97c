import { expect, test } from 'vitest';
import { whitelistHost, whitelistSender } from '../../bindings/plugin/index.ts';
import { fakeResolver, printVerdict, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import plugin, { resolvableFromhost, resolvableFromhostHost } from '../../plugins/resolvable_fromhost.ts';

const INVALID = ['127.0.0.0/8', '0.0.0.0/8', '224.0.0.0/4', '169.254.0.0/16', '10.0.0.0/8', 'fe80::/10'];
const GOOD = { 'good.example': { MX: ['10 mx.good.example'] }, 'mx.good.example': { A: ['192.0.2.11'] } };

async function mail(path: string, zones: FakeDnsZones, options = '') {
  const resolver = fakeResolver(zones);
  const config = { invalid_resolvable_fromhost: INVALID };
  const tested = testPlugin(plugin, { options, config, resolver });
  const answer = tested.ask('mail', path);
  await resolver.advance(60_000);
  const { connection, transaction } = tested.session;
  return {
    answer: printVerdict(await answer),
    note: transaction.notes.get(resolvableFromhost),
    host: transaction.notes.get(resolvableFromhostHost),
    karma: connection.karma,
    questions: resolver.questions,
    log: tested.log,
  };
}

const RESOLVER_FAILED = 'DENYSOFT Temporary address resolution failure (#4.3)';
const NO_FQDN = 'DENYSOFT FQDN required in the envelope sender (#1.8)';

test.each<[string, FakeDnsZones, string, string, number]>([
  ['a@good.example', GOOD, 'DECLINED', 'mx', 0],
  ['a@GOOD.example.', GOOD, 'DECLINED', 'mx', 0],
  // RFC 5321 section 5.1: without MX the domain itself is its mail host.
  ['a@host.example', { 'host.example': { A: ['192.0.2.1'] } }, 'DECLINED', 'a', -1],
  ['a@six.example', { 'six.example': { AAAA: ['2001:db8::1'] } }, 'DECLINED', 'a', -1],
  ['a@bücher.example', { 'xn--bcher-kva.example': { A: ['192.0.2.1'] } }, 'DECLINED', 'a', -1],
  ['a@[192.0.2.1]', {}, 'DECLINED', 'ip', -1],
  ['a@[IPv6:2001:db8::1]', {}, 'DECLINED', 'ip', -1],
  ['a@nosuch.example', {}, RESOLVER_FAILED, 'nosuch.example has neither MX nor address', -1],
  [
    'a@text.example',
    { 'text.example': { TXT: ['x'] } },
    RESOLVER_FAILED,
    'text.example has neither MX nor address',
    -1,
  ],
  // Mail hosts where no mail can be sent to.
  [
    'a@priv.example',
    { 'priv.example': { MX: ['5 p.example'] }, 'p.example': { A: ['10.1.2.3'] } },
    NO_FQDN,
    'invalid MX for priv.example',
    -2,
  ],
  [
    'a@priv.example',
    { 'priv.example': { MX: ['5 p.example'] }, 'p.example': { AAAA: ['fe80::1'] } },
    NO_FQDN,
    'invalid MX for priv.example',
    -2,
  ],
  [
    'a@priv.example',
    { 'priv.example': { A: ['127.0.0.1'] } },
    NO_FQDN,
    'invalid address of priv.example',
    -2,
  ],
  [
    'a@dead.example',
    { 'dead.example': { MX: ['5 gone.example'] } },
    NO_FQDN,
    'invalid MX for dead.example',
    -2,
  ],
  // RFC 7505: it takes no mail.
  [
    'a@null.example',
    { 'null.example': { MX: ['0 .'], A: ['192.0.2.1'] } },
    NO_FQDN,
    'invalid MX for null.example',
    -2,
  ],
  ['a@ip.example', { 'ip.example': { MX: ['5 192.0.2.9'] } }, 'DECLINED', 'mx', 0],
  ['a@ip.example', { 'ip.example': { MX: ['5 10.0.0.9'] } }, NO_FQDN, 'invalid MX for ip.example', -2],
  // One of them is enough, whatever comes first.
  [
    'a@two.example',
    {
      'two.example': { MX: ['5 p.example', '10 mx.good.example'] },
      'p.example': { A: ['10.1.2.3'] },
      ...GOOD,
    },
    'DECLINED',
    'mx',
    0,
  ],
  [
    'a@two.example',
    { 'two.example': { MX: ['5 s.example', '10 mx.good.example'] }, 's.example': 'timeout', ...GOOD },
    'DECLINED',
    'mx',
    0,
  ],
])('resolvable_fromhost: %s %j is answered with %s', async (path, zones, answer, note, karma) => {
  expect(await mail(path, zones)).toMatchObject({ answer, note, karma });
});

test.each<[string, FakeDnsZones]>([
  ['MX', { 'good.example': 'timeout' }],
  ['MX', { 'good.example': 'SERVFAIL' }],
  ['MX', { 'good.example': { MX: 'SERVFAIL' } }],
  ['address of the mail host', { 'good.example': { MX: ['5 mx.example'] }, 'mx.example': 'timeout' }],
  ['address of the mail host', { 'good.example': { MX: ['5 mx.example'] }, 'mx.example': 'REFUSED' }],
  ['address', { 'good.example': { A: 'SERVFAIL' } }],
])(
  'resolvable_fromhost: the %s of a domain cannot be had (%j): for now, whatever the line says',
  async (_, zones) => {
    for (const options of ['', 'reject_type perm', 'reject_type disconnect']) {
      const { answer, karma } = await mail('a@good.example', zones, options);
      expect(answer.replace('_DISCONNECT', '')).toBe(RESOLVER_FAILED);
      expect(karma).toBe(0);
    }
    const accepted = await mail('a@good.example', zones, 'dns_failure accept');
    expect(accepted.answer).toBe('DECLINED');
    expect(accepted.log.join('\n')).toMatch(/error, tolerated, no answer about/);
  },
);

test('resolvable_fromhost: an address of the domain is looked for where the MX fail, but not where they are silent', async () => {
  const failing = await mail('a@good.example', { 'good.example': { MX: 'SERVFAIL', A: ['192.0.2.1'] } });
  expect(failing).toMatchObject({ answer: 'DECLINED', note: 'a' });
  const silent = await mail('a@good.example', { 'good.example': { MX: 'timeout', A: ['192.0.2.1'] } });
  expect(silent).toMatchObject({ answer: RESOLVER_FAILED, questions: ['MX good.example'] });
});

test('resolvable_fromhost: what the line says of a domain that does not resolve', async () => {
  expect((await mail('a@x.example', {}, 'reject_type perm')).answer).toBe(
    'DENY Temporary address resolution failure (#4.3)',
  );
  expect((await mail('a@x.example', {}, 'reject 0')).answer).toBe('DECLINED');
  expect((await mail('a@x.example', {}, 'reject naughty')).answer).toBe('DECLINED');
});

test('resolvable_fromhost: of 300 mail hosts the ten preferred are looked at, at a time, and no name that cannot be a host’s', async () => {
  const hosts = Array.from({ length: 300 }, (_, index) => `${300 - index} h${300 - index}.example`);
  const many = await mail('a@many.example', { 'many.example': { MX: hosts } });
  expect(many.answer).toBe(NO_FQDN);
  expect(many.questions).toHaveLength(1 + 2 * 10);
  expect(many.questions[1]).toBe('A h1.example');
  const odd = await mail('a@odd.example', {
    'odd.example': { MX: ['1 a\\000b.example', '2 <script>.example', '3 -'] },
  });
  expect(odd.questions).toEqual(['MX odd.example', 'A -', 'AAAA -']);
});

test('resolvable_fromhost: nobody asks for what can be no name', async () => {
  for (const path of ['a@ex ample', 'a@.', `a@${'x'.repeat(70)}.example`, 'a@1.2.3.4', 'a@[tag:x]']) {
    const { answer, questions } = await mail(path, {});
    expect([answer, questions]).toEqual([RESOLVER_FAILED, []]);
  }
});

test('resolvable_fromhost: the null sender and clients that are spared', async () => {
  expect(await mail('<>', {})).toMatchObject({ answer: 'DECLINED', note: 'null', questions: [] });
  const { ask, session } = testPlugin(plugin);
  session.connection.notes.set(whitelistHost, true);
  expect(printVerdict(await ask('mail', 'a@nosuch.example'))).toBe('DECLINED');
  session.connection.notes.delete(whitelistHost);
  session.transaction.notes.set(whitelistSender, true);
  expect(printVerdict(await ask('mail', 'a@nosuch.example'))).toBe('DECLINED');
  session.transaction.notes.delete(whitelistSender);
  expect(printVerdict(await ask('mail', 'a@nosuch.example'))).toBe(RESOLVER_FAILED);
  expect(session.transaction.notes.get(resolvableFromhostHost)).toBe('nosuch.example');
});
