import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  fakeResolver,
  printVerdict,
  TestClock,
  testPlugin,
  type FakeDnsZones,
  type TestPluginOptions,
} from '../../host/testing/index.ts';
import { naughty, whitelistHost } from '../../bindings/plugin/index.ts';
import dkim from '../../plugins/dkim.ts';
import { dkimPassDomains, dkimResult } from '../../plugins/mailauth/incoming-signatures.ts';
import { crlf, keyTags, NOW, outcomes, pem, RFC_8463, verified, withSignature } from './dkim-samples.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const MESSAGE = 'From: ann@example.org\nSubject: a\n\nx\n';
const SIGNED = withSignature(MESSAGE, rsa);
const BROKEN = SIGNED.replace('ann@', 'eve@');
const ZONES: FakeDnsZones = { 's1._domainkey.example.org': { TXT: [`v=DKIM1; ${keyTags(rsa)}`] } };

interface Judged {
  readonly verdict: string;
  readonly results: readonly string[];
  readonly header: string;
  readonly log: string;
  readonly session: ReturnType<typeof testPlugin>['session'];
}

async function judged(
  message: string,
  options = '',
  { zones = ZONES, ...given }: TestPluginOptions & { readonly zones?: FakeDnsZones } = {},
): Promise<Judged> {
  const clock = new TestClock(NOW);
  const tested = testPlugin(dkim, { options, clock, resolver: fakeResolver(zones), ...given });
  const { ask, session, log } = tested;
  session.begin({ from: '<ann@example.org>', message: crlf(message) });
  await ask('data_headers_end');
  await ask('data_post_headers');
  const verdict = printVerdict(await ask('data_post'));
  const { authenticationResults } = session.connection;
  return { verdict, results: authenticationResults, header: session.header, log: log.join('\n'), session };
}

test('keys are asked for as soon as the header is here, and once', async () => {
  const resolver = fakeResolver(RFC_8463.zones);
  const { ask, session } = testPlugin(dkim, { clock: new TestClock(NOW), resolver });
  const questions = [
    'TXT brisbane._domainkey.football.example.com',
    'TXT test._domainkey.football.example.com',
  ];
  session.begin({ from: '<ann@example.org>', message: crlf(RFC_8463.message) });
  await ask('data_headers_end');
  await Promise.all(questions.map((question) => resolver.whenAsked(question)));
  await ask('data_post_headers');
  expect(session.connection.authenticationResults.map((each) => each.slice(0, 9))).toEqual([
    'dkim=pass',
    'dkim=pass',
  ]);
  expect(resolver.questions).toEqual(questions);
});

test('RFC 8601 section 2.7.1: each signature has its result, with what tells it apart', async () => {
  const { verdict, results, header, session } = await judged(RFC_8463.message, '', { zones: RFC_8463.zones });
  expect(verdict).toBe('DECLINED');
  expect(results).toEqual([
    'dkim=pass header.d=football.example.com header.i=@football.example.com header.s=brisbane header.a=ed25519-sha256 header.b="/gCrinpc"',
    'dkim=pass header.d=football.example.com header.i=@football.example.com header.s=test header.a=rsa-sha256 header.b=F45dVWDf',
  ]);
  expect(header).toMatch(
    /^X-DKIM-Authentication: domain: football\.example\.com, selector: brisbane, result: pass;/,
  );
  expect(session.transaction.notes.get(dkimResult)).toBe('pass');
  expect(session.transaction.notes.get(dkimPassDomains)).toEqual(['football.example.com']);
  expect(session.connection.karma).toBe(1);
});

test('a message without signatures is none', async () => {
  const { verdict, results, log, session } = await judged(MESSAGE, 'reject 1');
  expect(verdict).toBe('DECLINED');
  expect(results).toEqual(['dkim=none']);
  expect(log).toContain('skip, no signature');
  expect(session.transaction.notes.get(dkimResult)).toBe('none');
});

describe('RFC 6376 section 6.1: a signature that fails', () => {
  test.each([
    ['', 'DECLINED'],
    ['reject 0', 'DECLINED'],
    ['reject 1', 'DENY signature invalid: fail (bad signature)'],
    ['reject 1 reject_type temp', 'DENYSOFT signature invalid: fail (bad signature)'],
    ['reject naughty', 'DECLINED'],
  ])('with the line `dkim %s` is answered with %s', async (options, answer) => {
    const { verdict, results, header, session } = await judged(BROKEN, options);
    expect(verdict).toBe(answer);
    expect(results.join()).toMatch(/^dkim=fail \(bad signature\) header\.d=example\.org /);
    expect(header).not.toContain('X-DKIM-Authentication');
    expect(session.connection.karma).toBe(-1);
    expect(session.connection.notes.get(naughty)).toEqual(
      options === 'reject naughty' ? ['(dkim) signature invalid: fail (bad signature)'] : undefined,
    );
  });

  test('is worth nothing beside one that passes', async () => {
    const { verdict, session } = await judged(withSignature(BROKEN, rsa), 'reject 1');
    expect(verdict).toBe('DECLINED');
    expect(session.transaction.notes.get(dkimResult)).toBe('pass');
  });

  test('does no harm to a domain that is trying DKIM out. Section 3.6.1', async () => {
    const zones = { 's1._domainkey.example.org': { TXT: [`v=DKIM1; t=y; ${keyTags(rsa)}`] } };
    const { verdict, session } = await judged(BROKEN, 'reject 1', { zones });
    expect(verdict).toBe('DECLINED');
    expect(session.connection.karma).toBe(0);
  });
});

test.each([
  ['', 'DECLINED'],
  ['reject 1', 'DECLINED'],
  ['on_error defer', 'DENYSOFT Internal error - please try again later (#3.0)'],
])('a message whose DNS fails is temperror, and with the line `dkim %s` %s', async (options, answer) => {
  const { verdict, results, log } = await judged(SIGNED, options, {
    zones: { 's1._domainkey.example.org': 'SERVFAIL' },
  });
  expect(verdict).toBe(answer);
  expect(results.join()).toContain('dkim=temperror (key lookup: ESERVFAIL) header.d=example.org');
  expect(log).toContain('error, domain: example.org');
});

test.each([
  ['', 'policy'],
  ['partial_body accept', 'pass'],
])(
  'RFC 6376 section 8.2: with the line `dkim %s` a signature over a part of the body is %s',
  async (options, outcome) => {
    const { session } = await judged(withSignature(MESSAGE, rsa, { l: '1' }), options);
    expect(session.transaction.notes.get(dkimResult)).toBe(outcome);
  },
);

test('what a signature says of itself cannot add to the results, to the header or to the log', async () => {
  const evil = withSignature(MESSAGE, rsa, { d: 'a;b', s: 'x"; dmarc=pass' });
  const { results, header, log } = await judged(evil);
  expect(results.join()).not.toMatch(/; dmarc=pass/);
  expect(header).not.toContain('X-DKIM');
  expect(log).not.toMatch(/[^\n -~]/);
});

test('clients on a list of welcome hosts are not checked', async () => {
  const { ask, session } = testPlugin(dkim, { options: 'reject 1' });
  session.connection.notes.set(whitelistHost, true);
  session.begin({ from: '<a@b.example>', message: BROKEN });
  await ask('data_post_headers');
  expect(printVerdict(await ask('data_post'))).toBe('DECLINED');
  expect(session.connection.authenticationResults).toEqual([]);
});

test('results of a message whose transaction is over are left to nobody', async () => {
  const resolver = fakeResolver({ 's1._domainkey.example.org': { ...zone(), delayMs: 100 } });
  const { ask, session } = testPlugin(dkim, { clock: new TestClock(NOW), resolver });
  session.begin({ from: '<a@b.example>', message: SIGNED });
  const answer = ask('data_post_headers');
  await resolver.whenAsked('TXT s1._domainkey.example.org');
  session.begin({ from: '<c@d.example>', message: crlf(MESSAGE) });
  await resolver.advance(100);
  await answer;
  expect(session.connection.authenticationResults).toEqual([]);
  expect(session.transaction.notes.get(dkimResult)).toBeUndefined();
});

test('signs the mail of clients that may relay, as qpsmtpd does, and does not verify it', async () => {
  const config = {
    'dkim/example.org/private': pem(rsa),
    'dkim/example.org/selector': 's1',
  };
  const { ask, session } = testPlugin(dkim, {
    config,
    clock: new TestClock(NOW),
    client: { relayClient: true },
  });
  session.begin({ from: '<ann@example.org>', message: crlf(MESSAGE) });
  await ask('data_post_headers');
  await ask('data_post');
  expect(printVerdict(await ask('queue_pre'))).toBe('DECLINED');
  expect(session.connection.authenticationResults).toEqual([]);
  expect(outcomes(await verified(session.content, ZONES))).toEqual(['pass']);
});

const zone = (): { readonly TXT: readonly string[] } => ({ TXT: [`v=DKIM1; ${keyTags(rsa)}`] });
