import { describe, expect, test } from 'vitest';
import { fakeResolver, printVerdict, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import plugin, { heloForwardMatch, heloReverseMatch } from '../../plugins/helo.ts';

const config = { badhelo: ['aol.com', 'yahoo.com', 'ya.oo\\.com$', '!\\.'] };

interface Setting {
  readonly policy?: string;
  readonly ip?: string;
  readonly zones?: FakeDnsZones;
  readonly options?: string;
}

async function hello(
  host: string,
  { policy = 'lenient', ip = '192.0.2.3', zones = {}, options: more = '' }: Setting = {},
) {
  const resolver = fakeResolver(zones);
  const { ask, log, session } = testPlugin(plugin, {
    options: `policy ${policy} ${more}`,
    client: { remoteIp: ip },
    resolver,
  });
  const answer = ask('ehlo', host);
  await resolver.advance(60_000);
  return { log, session, answer: printVerdict(await answer) };
}

test.each([
  ['yahoo.com', false],
  ['YAHOO.com', false],
  ['example.com', true],
  ['www.yaxoo.com', false],
  ['yoda.com', true],
  ['host-only', false],
])('helo: badhelo and %s', async (host, passes) => {
  const { ask, session } = testPlugin(plugin, { config });
  const answer = printVerdict(await ask('helo', host));
  expect(answer).toBe(passes ? 'DECLINED' : `DENY_DISCONNECT I do not believe you are ${host}.`);
  expect(session.connection.karma).toBe(passes ? 0 : -1);
});

test('helo: a pattern of badhelo that cannot be matched in linear time is refused at start', () => {
  expect(() => testPlugin(plugin, { config: { badhelo: ['(?=x)y'] } })).toThrow('look-ahead');
});

test.each([
  ['localhost', '192.0.99.5', 'DENY_DISCONNECT You are not localhost'],
  ['LOCALHOST', '192.0.99.5', 'DENY_DISCONNECT You are not localhost'],
  ['localhost', '127.0.0.1', 'DECLINED'],
  ['localhost', '::1', 'DECLINED'],
  ['not-localhost', '192.0.99.5', 'DECLINED'],
  ['1.0.0.0', '192.0.2.3', 'DENY_DISCONNECT Forged IPs not accepted here'],
  ['254.254.254.254', '192.0.2.3', 'DENY_DISCONNECT Forged IPs not accepted here'],
  ['192.0.2.255', '192.0.2.3', 'DENY_DISCONNECT Forged IPs not accepted here'],
  ['192.0.2.3', '192.0.2.3', 'DENY_DISCONNECT Forged IPs not accepted here'],
  ['2001:db8::1', '192.0.2.3', 'DENY_DISCONNECT Forged IPs not accepted here'],
  ['10.1', '192.0.2.3', 'DENY_DISCONNECT Forged IPs not accepted here'],
  // A client behind address translation cannot know the address we see. RFC 5321 section 4.1.4.
  ['[254.254.254.254]', '192.0.2.3', 'DECLINED'],
  ['[IPv6:2001:db8::1]', '192.0.2.3', 'DECLINED'],
])('helo lenient: %s from %s is answered with %s', async (host, ip, answer) => {
  expect((await hello(host, { ip })).answer).toBe(answer);
});

describe('helo rfc', () => {
  const known: FakeDnsZones = {
    'mail.example': { A: ['192.0.2.9'] },
    '192.0.2.3': { PTR: ['mail.example'] },
  };

  test.each<[string, FakeDnsZones, string]>([
    ['mail.example', known, 'DECLINED'],
    ['mail.example.', known, 'DECLINED'],
    ['[192.0.2.3]', known, 'DECLINED'],
    ['[IPv6:2001:db8::1]', known, 'DECLINED'],
    ['mail', known, 'DENY_DISCONNECT HELO name is not fully qualified. Read RFC 2821'],
    ['ma_il.example', known, 'DENY_DISCONNECT HELO name contains invalid FQDN characters. Read RFC 1035'],
    ['perl.test', known, 'DENY_DISCONNECT HELO hostname does not exist'],
    [
      'mx.example',
      { ...known, 'mx.example': { MX: ['10 mail.example'] } },
      'DENY_DISCONNECT HELO hostname did not resolve',
    ],
    ['six.example', { ...known, 'six.example': { AAAA: ['2001:db8::1'] } }, 'DECLINED'],
    ['mail.example', { 'mail.example': { A: ['192.0.2.9'] } }, 'DENY_DISCONNECT no rDNS for 192.0.2.3'],
    [
      'mail.example',
      { 'mail.example': { A: ['192.0.2.9'] }, '192.0.2.3': { PTR: [] } },
      'DENY_DISCONNECT no reverse DNS for 192.0.2.3',
    ],
    // A name server that is silent is no fault of the client's.
    ['mail.example', { ...known, 'mail.example': { A: 'timeout' } }, 'DECLINED'],
    [
      'mail.example',
      { ...known, '192.0.2.3': { PTR: 'timeout' } },
      'DENYSOFT_DISCONNECT error getting reverse DNS for 192.0.2.3',
    ],
  ])('%s %j is answered with %s', async (host, zones, answer) => {
    expect((await hello(host, { policy: 'rfc', zones })).answer).toBe(answer);
  });
});

test.each<[string, string, FakeDnsZones, string, number]>([
  [
    'mail.example',
    '192.0.2.3',
    { 'mail.example': { A: ['192.0.2.3'] }, '192.0.2.3': { PTR: ['mail.example'] } },
    'DECLINED',
    1,
  ],
  [
    'mail.example',
    '192.0.2.3',
    { 'mail.example': { A: ['192.0.2.9'] }, '192.0.2.3': { PTR: ['x.other.test'] } },
    'DECLINED',
    0,
  ],
  [
    'mx0.example.com',
    '192.0.2.3',
    { 'mx0.example.com': { A: ['198.51.100.1'] }, '192.0.2.3': { PTR: ['MX1.Example.com.'] } },
    'DECLINED',
    0,
  ],
  [
    'mx0.example.com',
    '192.0.2.3',
    { 'mx0.example.com': { A: ['198.51.100.1'] }, '192.0.2.3': { PTR: ['mx0.example.net'] } },
    'DENY_DISCONNECT That HELO hostname fails FCrDNS',
    -1,
  ],
  [
    'mail.example',
    '2001:db8::1',
    { 'mail.example': { AAAA: ['2001:db8::2'] }, '2001:db8::1': { PTR: ['x.test'] } },
    'DECLINED',
    0,
  ],
  [
    '[192.0.2.3]',
    '192.0.2.3',
    { '192.0.2.3': { PTR: ['mail.example'] } },
    'DENY_DISCONNECT RFC 2821 allows an address literal, but we do not',
    -1,
  ],
])('helo strict: %s from %s, %j is answered with %s', async (host, ip, zones, answer, karma) => {
  const { answer: given, session } = await hello(host, { policy: 'strict', ip, zones });
  expect(given).toBe(answer);
  expect(session.connection.karma).toBe(karma);
});

test('helo leaves notes of what fits', async () => {
  const zones = { 'mail.example': { A: ['192.0.2.9'] }, '192.0.2.3': { PTR: ['other.mail.example'] } };
  const { session } = await hello('mail.example', { policy: 'rfc', zones });
  expect(session.connection.notes.get(heloForwardMatch)).toBe(true);
  expect(session.connection.notes.get(heloReverseMatch)).toBe(true);
});

test('helo always disconnects, says so at start, and can be told only to look', async () => {
  const strict = await hello('1.0.0.0', { options: 'reject_type temp' });
  expect(strict.answer).toBe('DENY_DISCONNECT Forged IPs not accepted here');
  expect(strict.log[0]).toContain('reject_type temp is not followed');
  expect((await hello('1.0.0.0', { options: 'reject 0' })).answer).toBe('DECLINED');
});

test('helo skips relay clients, and counts an empty name against the client', async () => {
  const { ask, session } = testPlugin(plugin, { config });
  expect(printVerdict(await ask('helo', ''))).toBe('DECLINED');
  expect(session.connection.karma).toBe(-2);
  session.connection.relayClient = true;
  expect(printVerdict(await ask('helo', 'yahoo.com'))).toBe('DECLINED');
});

test('helo writes the name into X-HELO, on top, in place of any that came', async () => {
  const { ask, session } = testPlugin(plugin);
  session.begin({ message: 'X-HELO: forged\r\nSubject: x\r\n\r\n' });
  await ask('data_post');
  expect(session.header).toBe('X-HELO: client.example\r\nSubject: x\r\n');
});

test.each([
  ['lenient', []],
  ['rfc', ['PTR 192.0.2.3']],
  ['strict', ['PTR 192.0.2.3']],
])('helo %s: at connect the DNS is asked %j, once for all names the client gives', async (policy, asked) => {
  const resolver = fakeResolver({ 'a.example': { A: ['192.0.2.9'] }, '192.0.2.3': { PTR: ['a.example'] } });
  const { ask } = testPlugin(plugin, { options: `policy ${policy}`, resolver });
  expect(printVerdict(await ask('connect'))).toBe('DECLINED');
  expect(resolver.questions).toEqual(asked);
  for (let count = 0; count < 2; count++)
    expect(printVerdict(await ask('ehlo', 'a.example'))).toBe('DECLINED');
  expect(resolver.questions.filter((question) => question.startsWith('PTR'))).toEqual(asked);
});

test('helo: name and address are asked for at a time', async () => {
  const zones = { 'a.example': 'timeout', '192.0.2.3': 'timeout' } as const;
  const resolver = fakeResolver(zones);
  const { ask } = testPlugin(plugin, { options: 'policy rfc', resolver });
  const answer = ask('ehlo', 'a.example');
  await resolver.whenAsked('A a.example');
  expect([...resolver.questions].sort()).toEqual(['A a.example', 'AAAA a.example', 'PTR 192.0.2.3']);
  await resolver.advance(5_000);
  expect(printVerdict(await answer)).toBe('DENYSOFT_DISCONNECT error getting reverse DNS for 192.0.2.3');
});

test('helo: of hundreds of names the first ten count, and what is no host name does not', async () => {
  const names = [
    'a.example\\000',
    ...Array.from({ length: 300 }, (_, index) => `h${index}.pool${index}.test`),
  ];
  const zones = {
    'x.pool9.test': { A: ['198.51.100.1'] },
    'x.pool10.test': { A: ['198.51.100.1'] },
    '192.0.2.3': { PTR: names },
  };
  expect((await hello('x.pool9.test', { policy: 'strict', zones })).answer).toBe('DECLINED');
  expect((await hello('x.pool10.test', { policy: 'strict', zones })).answer).toContain('fails FCrDNS');
});
