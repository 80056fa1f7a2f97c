import { expect, test } from 'vitest';
import { fakeResolver, testPlugin, type FakeDnsZones, type TestedPlugin } from '../../host/testing/index.ts';
import bimi from '../../plugins/bimi.ts';
import { dmarcResult, type DmarcResult } from '../../plugins/mailauth/sender-results.ts';

const PASSED: DmarcResult = {
  result: 'pass',
  published: {
    domain: 'b.example',
    p: 'reject',
    sp: undefined,
    np: undefined,
    adkim: 'r',
    aspf: 'r',
    fo: undefined,
    isTested: false,
    rua: [],
  },
  policy: 'reject',
  disposition: 'pass',
  overrides: [],
  isSpfAligned: true,
  isDkimAligned: true,
  sourceIp: '192.0.2.3',
  headerFrom: 'news.b.example',
  mailboxes: 1,
  organization: { domain: 'b.example', p: 'reject', sp: undefined },
  envelopeFrom: 'b.example',
  envelopeTo: [],
  spf: undefined,
  signatures: [],
  isReportable: true,
};

interface Judged {
  readonly result: string | undefined;
  readonly header: string;
  readonly tested: TestedPlugin;
}

async function judged(
  zones: FakeDnsZones,
  dmarc: Partial<DmarcResult> | undefined = {},
  fields = '',
): Promise<Judged> {
  const tested = testPlugin(bimi, { resolver: fakeResolver(zones) });
  const { ask, session } = tested;
  session.begin({ from: '<a@b.example>', message: `From: a@news.b.example\r\n${fields}\r\nx\r\n` });
  session.tasks.start(dmarcResult, () => ({ ...PASSED, ...dmarc }));
  await ask('data_post_headers');
  await ask('data_post');
  return { result: session.connection.authenticationResults[0], header: session.header, tested };
}

const LOGO = 'v=BIMI1; l=https://b.example/logo.svg';
const at = (name: string, ...texts: readonly string[]): FakeDnsZones => ({
  [`${name}._bimi.b.example`]: { TXT: texts },
});

test('BIMI section 7.2: the record of the Author Domain, then that of the Organizational Domain', async () => {
  const own = {
    'default._bimi.news.b.example': { TXT: ['v=BIMI1; l=https://b.example/news.svg'] },
    ...at('default', LOGO),
  };
  expect((await judged(own)).result).toBe(
    'bimi=pass header.d=news.b.example header.selector=default policy.authority=none',
  );
  const { header, result } = await judged(at('default', LOGO));
  expect(result).toBe('bimi=pass header.d=b.example header.selector=default policy.authority=none');
  expect(header).toMatch(/^BIMI-Location: v=BIMI1;\r\n l=https:\/\/b\.example\/logo\.svg\r\n/);
});

test('BIMI section 7: evidence is named, and not vouched for', async () => {
  const { header, result } = await judged(at('default', `${LOGO}; a=https://b.example/vmc.pem`));
  expect(result).toContain('policy.authority=none policy.authority-uri="https://b.example/vmc.pem"');
  expect(header).toContain('\r\n a=https://b.example/vmc.pem\r\n');
});

test.each([
  ['no record', {}, 'bimi=none'],
  ['other texts', at('default', 'v=spf1 -all', 'x'), 'bimi=none'],
  ['a record beside other texts', at('default', 'x', LOGO), 'bimi=pass header.d=b.example'],
  ['two records', at('default', LOGO, LOGO), 'bimi=fail (multiple records at default._bimi.b.example)'],
  ['a domain that declines', at('default', 'v=BIMI1; l=; a='), 'bimi=declined'],
  [
    'no location',
    at('default', 'v=BIMI1; a=https://b.example/a'),
    'bimi=fail (invalid location in the record)',
  ],
  [
    'a location by http',
    at('default', 'v=BIMI1; l=http://b.example/a.svg'),
    'bimi=fail (invalid location in the record)',
  ],
  [
    'a location with a line end',
    at('default', 'v=BIMI1; l=https://b.example/a\r\nX: y'),
    'bimi=fail (invalid location in the record)',
  ],
  [
    'an authority that is no URL',
    at('default', `${LOGO}; a=x`),
    'bimi=fail (invalid authority in the record)',
  ],
  [
    'a DNS that fails',
    { 'default._bimi.news.b.example': 'SERVFAIL' },
    'bimi=temperror (no answer for default._bimi.news.b.example)',
  ],
] as const satisfies readonly (readonly [string, FakeDnsZones, string])[])(
  'BIMI section 7.2: %s',
  async (_, zones, expected) => {
    expect((await judged(zones)).result).toMatch(new RegExp(`^${expected.replace(/[()]/g, '\\$&')}`));
  },
);

test.each([
  ['more than one author', { mailboxes: 2 }, 'skipped (multiple From addresses)'],
  ['a message that fails', { result: 'fail' }, 'skipped (message failed DMARC)'],
  ['no policy', { result: 'none', published: undefined }, 'skipped (DMARC not enabled)'],
  ['p=none', { policy: 'none' }, 'skipped (too lax DMARC policy)'],
  ['t=y', { published: { ...PASSED.published!, isTested: true } }, 'skipped (too lax DMARC policy)'],
  [
    'sp=none',
    { published: { ...PASSED.published!, sp: 'none' } },
    'skipped (too lax DMARC subdomain policy)',
  ],
  [
    'p=none above',
    { organization: { domain: 'b.example', p: 'none', sp: undefined } },
    'skipped (too lax DMARC policy of',
  ],
  ['nobody knows what is above', { organization: undefined }, 'temperror (DMARC of the'],
  ['DMARC could not be checked', { result: 'temperror' }, 'temperror (DMARC could'],
] as const satisfies readonly (readonly [string, Partial<DmarcResult>, string])[])(
  'BIMI section 7.1: %s',
  async (_, dmarc, expected) => {
    const { header, result } = await judged(at('default', LOGO), dmarc);
    expect(result).toContain(`bimi=${expected}`);
    expect(header).not.toContain('BIMI-Location');
  },
);

test.each([
  ['BIMI-Selector: v=BIMI1; s=brand', 'bimi=pass header.d=b.example header.selector=brand'],
  [
    'BIMI-Selector: v=BIMI1; s=brand\r\nBIMI-Selector: v=BIMI1; s=other',
    'bimi=fail (multiple BIMI-Selector headers)',
  ],
  ['BIMI-Selector: s=brand', 'bimi=fail (BIMI-Selector header without a selector)'],
  ['BIMI-Selector: v=BIMI1; s=a b._dmarc', 'bimi=fail (BIMI-Selector header without a selector)'],
  ['BIMI-Selector: v=BIMI1; s=missing', 'bimi=none'],
] as const)('BIMI section 4.4: %s', async (field, expected) => {
  const { result } = await judged(at('brand', LOGO), {}, `${field}\r\n`);
  expect(result?.startsWith(expected)).toBe(true);
});

test('BIMI section 5: fields of others do not pass for ours', async () => {
  const fields = 'BIMI-Location: v=BIMI1; l=https://forged.example/x.svg\r\nBIMI-Indicator: x\r\n';
  expect((await judged({}, {}, fields)).header).toBe('From: a@news.b.example\r\n');
});

test('bimi says so if dmarc has not judged the message, and leaves mail of relay clients alone', async () => {
  const tested = testPlugin(bimi, { resolver: fakeResolver(at('default', LOGO)) });
  tested.session.begin({ message: 'From: a@b.example\r\n\r\n' });
  await tested.ask('data_post_headers');
  await tested.ask('data_post');
  expect(tested.log.join('\n')).toContain('error, dmarc has not judged the message');
  tested.session.begin({ message: 'From: a@b.example\r\nBIMI-Location: x\r\n\r\n' });
  tested.session.connection.relayClient = true;
  await tested.ask('data_post_headers');
  await tested.ask('data_post');
  expect(tested.session.header).toContain('BIMI-Location');
});
