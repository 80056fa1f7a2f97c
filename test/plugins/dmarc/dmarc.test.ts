import { expect, test } from 'vitest';
import {
  fakeResolver,
  printVerdict,
  TestClock,
  testPlugin,
  type FakeDnsZones,
} from '../../../host/testing/index.ts';
import { naughty, quarantine, whitelistHost } from '../../../bindings/plugin/index.ts';
import dmarc from '../../../plugins/dmarc/index.ts';
import {
  dmarcOutcome,
  dmarcResult,
  spfResult,
  type DmarcResult,
  type SpfResult,
} from '../../../plugins/mailauth/sender-results.ts';
import { hop, MESSAGE, sealedBy, ZONES } from '../arc/chains.ts';
import { RFC_8463, crlf, NOW } from '../dkim-samples.ts';

const REJECT = { '_dmarc.b.example': { TXT: ['v=DMARC1; p=reject; rua=mailto:r@b.example'] } } as const;
const QUARANTINE = { '_dmarc.b.example': { TXT: ['v=DMARC1; p=quarantine'] } } as const;
const NONE = { '_dmarc.b.example': { TXT: ['v=DMARC1; p=none'] } } as const;

interface Given {
  /** The line of the plugin. */
  readonly line?: string;
  readonly config?: Readonly<Record<string, string>>;
  readonly zones?: FakeDnsZones;
  /** Fields, each with its name; `From: a@b.example` if left out. */
  readonly header?: string;
  readonly message?: string;
  /** Undefined: SPF was not checked. */
  readonly spf?: SpfResult | undefined;
  readonly relay?: boolean;
  readonly whitelisted?: boolean;
}

const PLUGINS = 'sender_permitted_from\ndkim\ndmarc\nqueue/quarantine maildir Q\nqueue/maildir M';
const SPF: SpfResult = { result: 'fail', domain: 'b.example', scope: 'mfrom' };

async function judged(given: Given): Promise<{
  verdict: string;
  result: DmarcResult | undefined;
  results: readonly string[];
  tested: ReturnType<typeof testPlugin>;
}> {
  const { line = '', zones = REJECT, header = 'From: a@b.example', config = {} } = given;
  const { spf = 'spf' in given ? undefined : SPF } = given;
  const tested = testPlugin(dmarc, {
    options: line,
    clock: new TestClock(NOW),
    resolver: fakeResolver(zones),
    config: { plugins: PLUGINS, ...config },
  });
  const { ask, session } = tested;
  const message = given.message ?? `${header === '' ? '' : `${header}\r\n`}Subject: x\r\n\r\nx\r\n`;
  session.begin({ from: '<a@b.example>', to: ['<u@mx.example>', '<v@mx.example>'], message });
  session.connection.relayClient = given.relay ?? false;
  if (given.whitelisted === true) session.connection.notes.set(whitelistHost, true);
  if (spf !== undefined) session.tasks.start(spfResult, () => spf);
  await ask('data_headers_end');
  await ask('data_post_headers');
  const verdict = printVerdict(await ask('data_post'));
  const results = session.connection.authenticationResults.map(String);
  return { verdict, result: await session.tasks.result(dmarcResult), results, tested };
}

const REFUSED = 'DENY failed DMARC policy';

test.each([
  ['fails, p=reject', {}, REFUSED],
  ['fails, p=none', { zones: NONE }, 'DECLINED'],
  ['fails, p=quarantine: as qpsmtpd', { zones: QUARANTINE }, REFUSED],
  ['fails, no policy', { zones: {} }, 'DECLINED'],
  ['SPF passes', { spf: { ...SPF, result: 'pass' } }, 'DECLINED'],
  [
    'SPF passes for HELO, and the reverse-path is empty',
    { spf: { result: 'pass', domain: 'mx.b.example', scope: 'helo' } },
    'DECLINED',
  ],
  ['SPF passes for another domain', { spf: { ...SPF, result: 'pass', domain: 'c.example' } }, REFUSED],
  ['without SPF, not signed', { spf: undefined, config: { plugins: 'dkim\ndmarc' } }, REFUSED],
  ['SPF has a line and was not asked', { spf: undefined }, 'DECLINED'],
  ['reject 0', { line: 'reject 0' }, 'DECLINED'],
  ['reject naughty', { line: 'reject naughty' }, 'DECLINED'],
  ['reject_type temp', { line: 'reject_type temp' }, 'DENYSOFT failed DMARC policy'],
  ['reject_type disconnect', { line: 'reject_type disconnect' }, 'DENY_DISCONNECT failed DMARC policy'],
  ['a relay client', { relay: true }, 'DECLINED'],
  ['a client on the whitelist', { whitelisted: true }, 'DECLINED'],
  ['quarantine deliver', { zones: QUARANTINE, line: 'quarantine deliver' }, 'DECLINED'],
  ['quarantine keep', { zones: QUARANTINE, line: 'quarantine keep' }, 'DECLINED'],
  ['quarantine keep, p=reject', { line: 'quarantine keep' }, REFUSED],
] as const satisfies readonly (readonly [string, Given, string])[])(
  'dmarc: a message that %s',
  async (_, given, verdict) => {
    expect((await judged(given)).verdict).toBe(verdict);
  },
);

test.each([
  ['none', '', 'DENY empty from address, null sender?'],
  ['an empty one', 'From:', 'DENY empty from address, null sender?'],
  ['two', 'From: a@b.example\r\nFrom: a@b.example', 'DENY more than one From header'],
  ['no address', 'From: Somebody', 'DENY unparseable from header'],
  ['an empty group', 'From: undisclosed-recipients:;', 'DENY unparseable from header'],
  ['two domains, one without a policy', 'From: a@c.example, a@b.example', REFUSED],
  [
    'more domains than are looked at',
    `From: ${[1, 2, 3, 4, 5, 6].map((n) => `a@${n}.example`).join(', ')}`,
    'DENY too many domains in the From header',
  ],
  ['two domains without a policy', 'From: a@c.example, a@d.example', 'DECLINED'],
] as const)('RFC 9989 section 11.5, From fields: %s', async (_, header, verdict) => {
  const found = await judged({ header });
  expect(found.verdict).toBe(verdict);
  expect(found.result?.result).toBe('permerror');
  expect(found.results[0]).toMatch(/^dmarc=permerror \(/);
  expect((await judged({ header, line: 'reject 0' })).verdict).toBe('DECLINED');
  expect((await judged({ header, whitelisted: true })).verdict).toBe('DECLINED');
});

test.each([
  ['encoded', '=?utf-8?q?Ceo?= <a@b.example>'],
  ['folded', '"A\r\n B"\r\n <a@\r\n b.example>'],
  ['in a group', 'Us: a@b.example, c@b.example;'],
  ['with comments', '(x) a@(y)b.example (z@c.example)'],
  ['two addresses of one domain', 'a@b.example, c@B.example'],
])('RFC 9989 section 5.3.1: one Author Domain, %s', async (_, from) => {
  const { result, verdict } = await judged({ header: `From: ${from}` });
  expect(result).toMatchObject({ result: 'fail', headerFrom: 'b.example' });
  expect(verdict).toBe(REFUSED);
});

test('RFC 9989 section 5.3.1: U-labels are A-labels', async () => {
  const zones = { '_dmarc.xn--bcher-kva.example': { TXT: ['v=DMARC1; p=reject'] } };
  const header = 'From: a@b\u00c3\u00bccher.example';
  const { result, results } = await judged({ header, zones });
  expect(result).toMatchObject({ result: 'fail', headerFrom: 'xn--bcher-kva.example' });
  expect(results).toEqual([
    'dmarc=fail (p=reject dis=reject) header.from=xn--bcher-kva.example policy.dmarc=reject',
  ]);
});

test('dmarc tells reports all they need', async () => {
  const { result } = await judged({});
  expect(result).toEqual({
    result: 'fail',
    published: {
      domain: 'b.example',
      p: 'reject',
      sp: undefined,
      np: undefined,
      adkim: 'r',
      aspf: 'r',
      fo: undefined,
      isTested: false,
      rua: ['mailto:r@b.example'],
    },
    policy: 'reject',
    disposition: 'reject',
    overrides: [],
    isSpfAligned: false,
    isDkimAligned: false,
    sourceIp: '192.0.2.3',
    headerFrom: 'b.example',
    mailboxes: 1,
    organization: { domain: 'b.example', p: 'reject', sp: undefined },
    envelopeFrom: 'b.example',
    envelopeTo: ['mx.example'],
    spf: SPF,
    signatures: [],
    isReportable: true,
  });
  expect((await judged({ line: 'reporting 0' })).result?.isReportable).toBe(false);
  expect((await judged({ relay: true })).result).toBeUndefined();
});

test.each([
  ['reject 0', { line: 'reject 0' }, 'none', [['local_policy', 'nothing is refused here']]],
  ['the whitelist', { whitelisted: true }, 'none', [['local_policy', 'whitelisted host']]],
  ['quarantine refuse', { zones: QUARANTINE }, 'reject', [['local_policy', 'quarantine is refusal here']]],
  ['quarantine keep', { zones: QUARANTINE, line: 'quarantine keep' }, 'quarantine', []],
  [
    'quarantine deliver',
    { zones: QUARANTINE, line: 'quarantine deliver' },
    'none',
    [['local_policy', 'nothing is quarantined here']],
  ],
  [
    't=y',
    { zones: { '_dmarc.b.example': { TXT: ['v=DMARC1; p=quarantine; t=y'] } } },
    'none',
    [['policy_test_mode', 't=y']],
  ],
  ['p=none', { zones: NONE }, 'none', []],
  ['a pass', { spf: { ...SPF, result: 'pass' } }, 'pass', []],
] as const satisfies readonly (readonly [string, Given, string, unknown])[])(
  'RFC 9990: disposition and reasons, %s',
  async (_, given, disposition, reasons) => {
    const { result } = await judged(given);
    expect(result?.disposition).toBe(disposition);
    expect(result?.overrides.map(({ type, comment }) => [type, comment])).toEqual(reasons);
  },
);

test('dmarc writes results in the registered form, not in that of qpsmtpd', async () => {
  expect((await judged({ spf: { ...SPF, result: 'pass' } })).results).toEqual([
    'dmarc=pass (p=reject dis=pass) header.from=b.example policy.dmarc=reject',
  ]);
  expect((await judged({ zones: {} })).results).toEqual(['dmarc=none header.from=b.example']);
  expect((await judged({ whitelisted: true })).results).toEqual([
    'dmarc=fail (p=reject dis=none local_policy) header.from=b.example policy.dmarc=reject',
  ]);
  expect((await judged({ header: '' })).results).toEqual([
    'dmarc=permerror (empty from address, null sender?)',
  ]);
  expect((await judged({ relay: true })).results).toEqual([]);
});

test('dmarc leaves its outcome for the plugins after it', async () => {
  for (const [zones, outcome] of [
    [REJECT, 'fail'],
    [{}, 'none'],
    [{ '_dmarc.b.example': 'SERVFAIL' }, 'temperror'],
  ] as const) {
    const { tested } = await judged({ zones });
    expect(tested.session.transaction.notes.get(dmarcOutcome)).toBe(outcome);
  }
});

test('what fails costs three points of karma, and reject naughty leaves the reason', async () => {
  const karma = async (given: Given): Promise<number> =>
    (await judged(given)).tested.session.connection.karma;
  expect(await karma({})).toBe(-3);
  expect(await karma({ line: 'reject 0' })).toBe(-3);
  expect(await karma({ whitelisted: true })).toBe(0);
  expect(await karma({ zones: NONE })).toBe(0);
  const { tested } = await judged({ line: 'reject naughty' });
  expect(tested.session.connection.notes.get(naughty)).toEqual(['(dmarc) failed DMARC policy']);
});

test('quarantine keep marks the message for queue/quarantine, and refuses to start without that', async () => {
  const { tested } = await judged({ zones: QUARANTINE, line: 'quarantine keep' });
  expect(tested.session.transaction.notes.get(quarantine)).toBe(
    'failed DMARC policy (b.example, p=quarantine)',
  );
  const config = { plugins: 'dmarc quarantine keep\nqueue/maildir M' };
  expect(() => testPlugin(dmarc, { options: 'quarantine keep', config })).toThrow('queue/quarantine');
});

test('a DNS that fails refuses nothing, unless the line says on_error defer', async () => {
  const zones = { '_dmarc.b.example': 'SERVFAIL' } as const;
  const found = await judged({ zones });
  expect(found.verdict).toBe('DECLINED');
  expect(found.results).toEqual(['dmarc=temperror header.from=b.example']);
  expect(found.result).toMatchObject({ result: 'temperror', disposition: 'none' });
  expect(found.tested.log.join('\n')).toContain('the DNS does not tell: TXT _dmarc.b.example: SERVFAIL');
  expect((await judged({ zones, line: 'on_error defer' })).verdict).toBe(
    'DENYSOFT Internal error - please try again later (#3.0)',
  );
});

test('a DNS that is silent is waited for as long as dns_timeout says, all questions together', async () => {
  const clock = new TestClock(NOW);
  const resolver = fakeResolver({ '_dmarc.a.b.example': 'timeout', '_dmarc.b.example': 'timeout' }, clock);
  const { ask, session } = testPlugin(dmarc, { options: 'dns_timeout 3', clock, resolver });
  session.begin({ from: '<a@b.example>', message: 'From: a@a.b.example\r\n\r\n' });
  await ask('data_headers_end');
  const asked = ask('data_post_headers');
  await resolver.advance(2_999);
  expect(session.connection.authenticationResults).toEqual([]);
  await resolver.advance(1);
  await asked;
  expect(session.connection.authenticationResults).toEqual(['dmarc=temperror header.from=a.b.example']);
});

test('the policy is asked for as soon as the header is there, each question once', async () => {
  const resolver = fakeResolver(REJECT);
  const { ask, session } = testPlugin(dmarc, { resolver, config: { plugins: PLUGINS } });
  session.begin({ from: '<a@b.example>', message: 'From: a@b.example\r\n\r\n' });
  await ask('data_headers_end');
  await resolver.whenAsked('TXT _dmarc.example');
  expect(session.connection.authenticationResults).toEqual([]);
  await ask('data_post_headers');
  expect(resolver.questions).toEqual(['TXT _dmarc.b.example', 'TXT _dmarc.example']);
});

test('a signature of the Author Domain is enough', async () => {
  const zones = {
    ...RFC_8463.zones,
    '_dmarc.football.example.com': { TXT: ['v=DMARC1; p=reject; adkim=s'] },
  };
  const message = crlf(RFC_8463.message);
  const { result, verdict, results } = await judged({ zones, message });
  expect(verdict).toBe('DECLINED');
  expect(results).toEqual([
    'dmarc=pass (p=reject dis=pass) header.from=football.example.com policy.dmarc=reject',
  ]);
  expect(result).toMatchObject({ isDkimAligned: true, isSpfAligned: false });
  const changed = await judged({ zones, message: message.replace('We lost', 'We won') });
  expect(changed.verdict).toBe(REFUSED);
});

test('a forwarder that SPF or DKIM vouches for is let through, if the operator knows it', async () => {
  const zones = { ...REJECT, ...RFC_8463.zones };
  const config = { dmarc_trusted_forwarders: '# lists\nFootball.example.com\n' };
  const spf: SpfResult = { result: 'pass', domain: 'football.example.com', scope: 'mfrom' };
  expect((await judged({ zones, spf })).verdict).toBe(REFUSED);
  const forwarded = await judged({ zones, spf, config });
  expect(forwarded.verdict).toBe('DECLINED');
  expect(forwarded.result).toMatchObject({
    disposition: 'none',
    overrides: [{ type: 'trusted_forwarder', comment: 'football.example.com' }],
  });
  const header = 'From: a@b.example\r\nList-Id: <l.football.example.com>';
  expect((await judged({ zones, spf, config, header })).result?.overrides).toEqual([
    { type: 'mailing_list', comment: 'football.example.com' },
  ]);
  const forged = await judged({ zones, spf: { ...spf, result: 'fail' }, config, header });
  expect(forged.verdict).toBe(REFUSED);
});

test('a line of dmarc_trusted_forwarders that is no domain stops the start, with its place', () => {
  const config = { dmarc_trusted_forwarders: 'lists.example\n192.0.2.1/24\n' };
  expect(() => testPlugin(dmarc, { config })).toThrow('192.0.2.1/24 is no domain');
});

test('without SPF the plugin says at the start what that means', () => {
  const said = (plugins: string): string => testPlugin(dmarc, { config: { plugins } }).log.join('\n');
  expect(said('dmarc')).toContain('sender_permitted_from does not stand in plugins: DKIM alone');
  expect(said('sender_permitted_from:2 reject 1\ndmarc')).toBe('');
});

/** RFC 8617 sections 7.2 and 9.3. */
test.each([
  ['nobody is trusted', ['one.example'], {}, undefined],
  ['the sealer is trusted', ['one.example'], { trusted: 'one.example' }, 'as[1].d=one.example as[1].s=s'],
  [
    'the names are those of domains',
    ['one.example'],
    { trusted: 'ONE.example.' },
    'as[1].d=one.example as[1].s=s',
  ],
  ['the first of two is trusted', ['one.example', 'two.example'], { trusted: 'one.example' }, undefined],
  [
    'both are trusted, and the first has seen it pass',
    ['one.example', 'two.example'],
    { trusted: 'one.example\ntwo.example', last: 'dmarc=fail header.from=b.example' },
    'as[2].d=two.example as[2].s=s as[1].d=one.example as[1].s=s',
  ],
  [
    'the second has seen it fail, and the first is not trusted',
    ['one.example', 'two.example'],
    { trusted: 'two.example', last: 'dmarc=fail header.from=b.example' },
    undefined,
  ],
  [
    'it has seen another domain pass',
    ['one.example'],
    { trusted: 'one.example', last: 'dmarc=pass header.from=c.example' },
    undefined,
  ],
  [
    'it has seen SPF pass',
    ['one.example'],
    { trusted: 'one.example', last: 'spf=pass smtp.mailfrom=b.example' },
    undefined,
  ],
  [
    'a comment says so',
    ['one.example'],
    {
      trusted: 'one.example',
      last: 'dmarc=fail (; dmarc=pass header.from=b.example;) header.from=b.example',
    },
    undefined,
  ],
  [
    'a quoted text says so',
    ['one.example'],
    { trusted: 'one.example', last: 'dmarc=fail reason="; dmarc=pass header.from=b.example"' },
    undefined,
  ],
] as const satisfies readonly (readonly [
  string,
  readonly string[],
  { trusted?: string; last?: string },
  string | undefined,
])[])(
  'a message that was sealed: %s',
  async (_, sealers, { trusted, last }: { trusted?: string; last?: string }, comment) => {
    let message = MESSAGE;
    for (const [at, domain] of sealers.entries())
      ({ message } = await hop(
        message,
        domain,
        at === sealers.length - 1 && last !== undefined ? { found: last } : {},
      ));
    const { result, verdict } = await judged({
      message,
      zones: { ...REJECT, ...ZONES },
      ...(trusted !== undefined && { config: { dmarc_trusted_sealers: trusted } }),
    });
    expect(verdict).toBe(comment === undefined ? REFUSED : 'DECLINED');
    expect(result?.overrides).toEqual(
      comment === undefined ? [] : [{ type: 'local_policy', comment: `arc=pass ${comment}` }],
    );
  },
);

test('a chain that fails is worth nothing, whoever has sealed it', async () => {
  const message = (await sealedBy(['one.example'])).replace('Hello.', 'Hallo.');
  const config = { dmarc_trusted_sealers: 'one.example' };
  expect((await judged({ message, zones: { ...REJECT, ...ZONES }, config })).verdict).toBe(REFUSED);
});
