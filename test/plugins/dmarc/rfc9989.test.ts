/** The examples of RFC 9989, and its rules about records, as tables. */

import { expect, test } from 'vitest';
import { fakeResolver, TestClock, type FakeDnsName, type FakeDnsZones } from '../../../host/testing/index.ts';
import { checkDomain, type DomainCheck, questionsTo } from '../../../plugins/dmarc/domain-check.ts';
import type { ReportedSignature, SpfResult } from '../../../plugins/mailauth/sender-results.ts';

interface Given {
  /** Records by the domain they are published for. */
  readonly records: Readonly<Record<string, string | readonly string[]>>;
  readonly names?: FakeDnsZones;
  readonly spf?: string | SpfResult;
  readonly dkim?: readonly (string | ReportedSignature)[];
}

interface Checked extends DomainCheck {
  readonly asked: readonly string[];
}

async function check(domain: string, { records, names = {}, spf, dkim = [] }: Given): Promise<Checked> {
  const zones = Object.entries(records).map(([name, record]): [string, FakeDnsName] => [
    `_dmarc.${name}`,
    { TXT: typeof record === 'string' ? [record] : record },
  ]);
  const resolver = fakeResolver({ ...names, ...Object.fromEntries(zones) });
  const signal = new AbortController().signal;
  const questions = questionsTo({ dns: resolver, clock: new TestClock() }, { signal, timeoutMs: 10_000 });
  const evidence = {
    spf: typeof spf === 'string' ? ({ result: 'pass', domain: spf, scope: 'mfrom' } as const) : spf,
    signatures: dkim.map((each) =>
      typeof each === 'string'
        ? ({ domain: each, selector: 's', result: 'pass', comment: undefined } as const)
        : each,
    ),
  };
  return { ...(await checkDomain(domain, evidence, questions)), asked: [...resolver.questions] };
}

const signature = (domain: string, result: ReportedSignature['result']): ReportedSignature => ({
  domain,
  selector: 's',
  result,
  comment: undefined,
});

const REJECT = 'v=DMARC1; p=reject';
const RELAXED = { 'example.com': REJECT };
const STRICT = { 'example.com': `${REJECT}; adkim=s; aspf=s` };

test.each([
  ['B.1.1 example 1: SPF, strict', 'example.com', { records: STRICT, spf: 'example.com' }, 'pass'],
  ['B.1.1 example 2: SPF, relaxed', 'example.com', { records: RELAXED, spf: 'child.example.com' }, 'pass'],
  ['B.1.1 example 2, but strict', 'example.com', { records: STRICT, spf: 'child.example.com' }, 'fail'],
  [
    'B.1.1 example 3: SPF, not aligned',
    'child.example.com',
    { records: RELAXED, spf: 'example.net' },
    'fail',
  ],
  ['B.1.2 example 1: DKIM, strict', 'example.com', { records: STRICT, dkim: ['example.com'] }, 'pass'],
  [
    'B.1.2 example 2: DKIM, relaxed',
    'child.example.com',
    { records: RELAXED, dkim: ['example.com'] },
    'pass',
  ],
  ['B.1.2 example 2, but strict', 'child.example.com', { records: STRICT, dkim: ['example.com'] }, 'fail'],
  [
    'B.1.2 example 3: DKIM, not aligned',
    'child.example.com',
    { records: RELAXED, dkim: ['example.net'] },
    'fail',
  ],
  [
    '4.4.1: one of several signatures',
    'example.com',
    { records: RELAXED, dkim: ['a.example', 'example.com'] },
    'pass',
  ],
  ['5.3.5: no identifier', 'example.com', { records: RELAXED }, 'fail'],
  ['9.2: no record', 'example.com', { records: {}, spf: 'example.com' }, 'none'],
  [
    'a public suffix aligns with nothing below it',
    'a.example',
    { records: { 'a.example': REJECT }, spf: 'example' },
    'fail',
  ],
  ['neither does a sibling', 'a.example', { records: { 'a.example': REJECT }, dkim: ['b.example'] }, 'fail'],
] as const)('RFC 9989, %s', async (_, domain, given, result) => {
  expect((await check(domain, given)).result).toBe(result);
});

test('RFC 9989 section B.4.1: the Organizational Domain is the highest with a record', async () => {
  const records = { 'example.com': REJECT, 'signing.example.com': REJECT };
  const found = await check('example.com', { records, spf: 'example.com', dkim: ['signing.example.com'] });
  expect(found).toMatchObject({ result: 'pass', isSpfAligned: true, isDkimAligned: true });
  expect(found).toMatchObject({
    organization: { domain: 'example.com' },
    published: { domain: 'example.com' },
  });
  expect(found.asked).toEqual(['TXT _dmarc.example.com', 'TXT _dmarc.com', 'TXT _dmarc.signing.example.com']);
});

test('RFC 9989 section B.4.2: a deep walk asks eight questions', async () => {
  const records = { 'example.com': REJECT, 'signing.example.com': REJECT };
  const given = { records, spf: 'example.com', dkim: ['signing.example.com'] };
  const found = await check('a.b.c.d.e.f.g.h.i.j.k.example.com', given);
  expect(found).toMatchObject({ result: 'pass', isSpfAligned: true, isDkimAligned: true });
  expect(found).toMatchObject({
    organization: { domain: 'example.com' },
    published: { domain: 'example.com' },
  });
  const walk = ['a.b.c.d.e.f.g.h.i.j.k.', 'g.h.i.j.k.', 'h.i.j.k.', 'i.j.k.', 'j.k.', 'k.', ''];
  expect(found.asked).toEqual([
    ...walk.map((labels) => `TXT _dmarc.${labels}example.com`),
    'TXT _dmarc.com',
    'TXT _dmarc.signing.example.com',
  ]);
});

test('RFC 9989 section B.4.3: psd=y ends the walk, and parts those below it', async () => {
  const records = { 'bank.example': `${REJECT}; psd=y`, 'giant.bank.example': REJECT };
  const dkim = ['mail.mega.bank.example'];
  const found = await check('giant.bank.example', { records, spf: 'mail.giant.bank.example', dkim });
  expect(found).toMatchObject({ result: 'pass', isSpfAligned: true, isDkimAligned: false });
  expect(found).toMatchObject({ organization: { domain: 'giant.bank.example' } });
  expect(found.asked).not.toContain('TXT _dmarc.example');
});

test('RFC 9989 section 4.10.2: psd=n is the Organizational Domain, whatever stands above it', async () => {
  const records = { 'example.com': REJECT, 'a.example.com': `${REJECT}; psd=n` };
  expect(await check('x.a.example.com', { records, dkim: ['example.com'] })).toMatchObject({
    result: 'fail',
    organization: { domain: 'a.example.com' },
    published: { domain: 'a.example.com' },
  });
});

const EXISTS = { 'a.example.com': { A: ['192.0.2.1'] } } as const;
const EMPTY = { 'a.example.com': {} } as const;

/** RFC 9989 sections 4.7 and 4.10.1: the policy of a message that fails. */
test.each([
  ['p', 'example.com', 'p=reject', {}, 'reject'],
  ['p of a subdomain', 'a.example.com', 'p=reject', {}, 'reject'],
  [
    'sp of a subdomain that exists',
    'a.example.com',
    'p=reject; sp=quarantine; np=none',
    EXISTS,
    'quarantine',
  ],
  ['np of one that does not', 'a.example.com', 'p=none; sp=quarantine; np=reject', {}, 'reject'],
  ['a name without records exists', 'a.example.com', 'p=none; sp=quarantine; np=reject', EMPTY, 'quarantine'],
  ['no np: sp', 'a.example.com', 'p=none; sp=reject', {}, 'reject'],
  [
    'neither sp nor np applies to the domain itself',
    'example.com',
    'p=none; sp=reject; np=reject',
    {},
    'none',
  ],
  ['t=y: reject becomes quarantine', 'example.com', 'p=reject; t=y', {}, 'quarantine'],
  ['t=y: quarantine becomes none', 'example.com', 'p=quarantine; t=y', {}, 'none'],
  ['t=y: none stays', 'example.com', 'p=none; t=y', {}, 'none'],
  ['t=y: sp as well', 'a.example.com', 'p=none; sp=reject; t=y', {}, 'quarantine'],
  ['pct is gone (A.6)', 'example.com', 'p=reject; pct=0', {}, 'reject'],
  ['values without case', 'example.com', 'p=REJECT', {}, 'reject'],
  ['blanks around = and ;', 'example.com', ' p = reject ;', {}, 'reject'],
  ['unknown tags', 'example.com', 'x=y; p=reject; ri=60', {}, 'reject'],
  ['a wrong p, but reports', 'example.com', 'p=discard; rua=mailto:a@example.com', {}, 'none'],
  ['no p, but reports', 'example.com', 'rua=mailto:a@example.com', {}, 'none'],
  ['a wrong sp, but reports', 'example.com', 'p=reject; sp=x; rua=mailto:a@example.com', {}, 'none'],
] as const)('RFC 9989 section 4.7: %s', async (_, domain, tags, names, policy) => {
  const found = await check(domain, { records: { 'example.com': `v=DMARC1; ${tags}` }, names });
  expect(found).toMatchObject({ result: 'fail', policy });
});

test.each([
  ['another version', 'v=DMARC2; p=reject'],
  ['the version in small letters', 'v=dmarc1; p=reject'],
  ['the version not first', 'p=reject; v=DMARC1'],
  ['a wrong p and no reports (4.10.1)', 'v=DMARC1; p=discard'],
  ['a bare address is no URI to report to', 'v=DMARC1; p=discard; rua=a@example.com'],
  ['a tag twice (RFC 6376 section 3.2)', 'v=DMARC1; p=reject; p=none'],
  ['two records (4.10)', [REJECT, 'v=DMARC1; p=none']],
] as const)('RFC 9989, no policy: %s', async (_, record) => {
  const records = { 'example.com': record };
  expect(await check('example.com', { records })).toMatchObject({ result: 'none', policy: undefined });
});

test('RFC 9989 section 4.10: other texts beside the record do not matter', async () => {
  const records = { 'example.com': ['v=spf1 -all', REJECT, 'x'] };
  expect(await check('example.com', { records })).toMatchObject({ result: 'fail', policy: 'reject' });
});

test('RFC 9989 section 5.3.6: what the DNS does not tell is neither pass nor fail', async () => {
  const broken = { '_dmarc.example.com': 'SERVFAIL' } as const;
  expect(await check('example.com', { records: {}, names: broken })).toMatchObject({
    result: 'temperror',
    error: 'TXT _dmarc.example.com: SERVFAIL',
  });
  // The record of the domain itself is enough for an identifier that is the same.
  const above = { '_dmarc.com': 'SERVFAIL' } as const;
  const own = { records: RELAXED, names: above };
  expect((await check('example.com', { ...own, spf: 'example.com' })).result).toBe('pass');
  expect((await check('example.com', { ...own, spf: 'a.example.com' })).result).toBe('temperror');
  expect((await check('example.com', { ...own, spf: 'a.example.net' })).result).toBe('fail');
});

test('RFC 9989 section 5.3.6: SPF or DKIM without an answer counts only if it would be aligned', async () => {
  const spf = (domain: string): SpfResult => ({ result: 'temperror', domain, scope: 'mfrom' });
  const failing = { records: RELAXED };
  expect((await check('example.com', { ...failing, spf: spf('example.com') })).result).toBe('temperror');
  expect((await check('example.com', { ...failing, spf: spf('example.net') })).result).toBe('fail');
  const dkim = (domain: string): ReportedSignature[] => [signature(domain, 'temperror')];
  expect((await check('example.com', { ...failing, dkim: dkim('a.example.com') })).result).toBe('temperror');
  expect((await check('example.com', { ...failing, dkim: dkim('example.net') })).result).toBe('fail');
  expect(
    (await check('example.com', { ...failing, spf: 'example.com', dkim: dkim('example.com') })).result,
  ).toBe('pass');
});

test.each(['fail', 'neutral', 'policy', 'permerror'] as const)(
  'a signature whose result is %s vouches for nothing',
  async (result) => {
    const given = { records: RELAXED, dkim: [signature('example.com', result)] };
    expect((await check('example.com', given)).result).toBe('fail');
  },
);

test('work is bounded: ten walks of eight questions, however many names have signed', async () => {
  const dkim = Array.from({ length: 50 }, (_, at) => `${at}.b.c.d.e.f.g.h.i.example.com`);
  const found = await check('example.com', { records: RELAXED, dkim });
  expect(found.result).toBe('pass');
  expect(found.asked.length).toBeLessThanOrEqual(2 + 10 * 8);
});

test('the record as reports tell of it', async () => {
  const record =
    'v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; fo=1:d; t=y; ' +
    'rua=mailto:a@example.com!10m, https://b.example/x';
  const found = await check('a.example.com', { records: { 'example.com': record } });
  expect(found.published).toEqual({
    domain: 'example.com',
    p: 'reject',
    sp: 'none',
    np: 'quarantine',
    adkim: 's',
    aspf: 'r',
    fo: '1:d',
    isTested: true,
    rua: ['mailto:a@example.com', 'https://b.example/x'],
  });
});
