/** `checkHost` on the cases of RFC 7208, with a DNS in memory, and what its work is bounded by. */

import { describe, expect, test } from 'vitest';
import type { FakeDnsZones } from '../../host/testing/index.ts';
import { check, questionOf, zonesOf } from './spf-case.ts';
import { SPF_CASES } from './spf-cases.ts';

describe('RFC 7208', () => {
  test.each(SPF_CASES.map((each) => [each.section, each.what, each] as const))(
    'section %s: %s',
    async (_section, _what, each) => {
      const { result, explanation } = await check(zonesOf(each), questionOf(each));
      expect(result).toBe(typeof each.result === 'string' ? each.result : each.result[0]);
      if (each.says !== undefined) expect(explanation ?? null).toBe(each.says);
    },
  );

  test('there are as many cases as the open suite has', () => {
    expect(SPF_CASES.length).toBeGreaterThan(200);
    expect(new Set(SPF_CASES.map(({ section, what }) => `${section} ${what}`)).size).toBe(SPF_CASES.length);
  });
});

describe('bounds of the work', () => {
  const asked = { ip: '192.0.2.4', from: 'u@s.example', helo: 'helo.example' };
  const record = (text: string): FakeDnsZones => ({ 's.example': { TXT: [text] } });

  test.each<[string, FakeDnsZones, string, string?]>([
    [
      'a record of 4,096 characters',
      record(`v=spf1 ${'ip4:198.51.100.1 '.repeat(240)}-all`.padEnd(4_096)),
      'fail',
    ],
    [
      'a longer record',
      record(`v=spf1 -all`.padEnd(4_097)),
      'permerror',
      'record of more than 4096 characters',
    ],
    ['32 macros', record(`v=spf1 exists:${'%{s}'.repeat(32)}.x.example -all`), 'fail'],
    [
      'more macros',
      record(`v=spf1 -all exists:${'%{s}'.repeat(33)}.x.example`),
      'permerror',
      'record of more than 32 macros',
    ],
    ['a record of 64 KiB', record(`v=spf1 ${'%{s}'.repeat(16_000)}`), 'permerror'],
    ['long texts beside it', { 's.example': { TXT: ['x'.repeat(65_000), 'v=spf1 -all'] } }, 'fail'],
    ['300 texts', { 's.example': { TXT: [...Array<string>(299).fill('x'), 'v=spf1 -all'] } }, 'fail'],
    ['300 records', { 's.example': { TXT: Array<string>(300).fill('v=spf1 -all') } }, 'permerror'],
    [
      '300 exchangers',
      {
        's.example': {
          TXT: ['v=spf1 mx -all'],
          MX: Array.from({ length: 300 }, (_, index) => `1 m${index}.example`),
        },
      },
      'permerror',
    ],
  ])('%s', async (_, zones, result, problem) => {
    const answer = await check(zones, asked);
    expect(answer.result).toBe(result);
    if (problem !== undefined) expect(answer.problem).toBe(problem);
    expect(answer.questions.length).toBeLessThanOrEqual(12);
  });

  test('300 names of the client: ten are looked at', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `n${index}.example`);
    const answer = await check({ ...record('v=spf1 ptr -all'), '192.0.2.4': { PTR: names } }, asked);
    expect(answer.result).toBe('fail');
    expect(answer.questions).toHaveLength(12);
  });

  test('a name that grows with each macro is cut to what the DNS takes', async () => {
    const answer = await check(record(`v=spf1 exists:${'%{s}'.repeat(32)}.x.example -all`), {
      ...asked,
      from: `${'a.'.repeat(31)}a@s.example`,
    });
    expect(answer.result).toBe('fail');
    expect(answer.questions).toHaveLength(2);
    expect(answer.questions[1]!.length).toBeLessThanOrEqual('A '.length + 253);
  });

  test.each([
    ['of 64 KiB', 'x'.repeat(65_000)],
    ['of 33 macros', '%{s}'.repeat(33)],
  ])('an explanation %s is none', async (_, text) => {
    const zones = { ...record('v=spf1 -all exp=why.example'), 'why.example': { TXT: [text] } };
    expect(await check(zones, asked)).toMatchObject({ result: 'fail', explanation: undefined });
  });

  test.each([
    ['the record itself', { 's.example': 'timeout' }],
    ['names of the client', { ...record('v=spf1 ptr -all'), '192.0.2.4': { PTR: 'timeout' } }],
    ['an address', { ...record('v=spf1 a:slow.example -all'), 'slow.example': 'timeout' }],
    [
      'one after the other',
      {
        ...record('v=spf1 a:a1.example a:a2.example a:a3.example -all'),
        'a1.example': { A: ['198.51.100.1'], delayMs: 8_000 },
        'a2.example': { A: ['198.51.100.1'], delayMs: 8_000 },
        'a3.example': { A: ['192.0.2.4'], delayMs: 8_000 },
      },
    ],
  ] as readonly (readonly [string, FakeDnsZones])[])('20 seconds are enough: %s', async (_, zones) => {
    expect(await check(zones, asked)).toMatchObject({ result: 'temperror' });
  });

  test('a client without an address is a fault of ours', async () => {
    expect(await check({}, { ...asked, ip: 'Unknown' })).toMatchObject({ result: 'temperror' });
  });
});
