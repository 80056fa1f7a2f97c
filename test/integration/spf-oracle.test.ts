/** Perl's Mail::SPF and ours judge the same questions over the same zones, served by a real name server. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FakeDnsZones } from '../../host/testing/index.ts';
import { generatedPolicies } from '../mail-authentication/generated-policies.ts';
import { ServedZones } from '../mail-authentication/served-zones.ts';
import { check, questionOf, zonesOf, type Question } from '../mail-authentication/spf-case.ts';
import { SPF_CASES } from '../mail-authentication/spf-cases.ts';
import { describeWithPerl } from './needs.ts';

interface PerlAnswer {
  readonly result?: string;
  readonly text?: string;
  readonly died?: string;
}

describeWithPerl('Mail::SPF', 'libmail-spf-perl')('Mail::SPF', () => {
  let served: ServedZones;
  let ask: (question: Question) => Promise<PerlAnswer>;
  let end: () => Promise<void>;

  beforeAll(async () => {
    served = await ServedZones.start();
    const program = join(import.meta.dirname, 'programs/mail-spf.pl');
    const perl = spawn('perl', [program, String(served.port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(perl.stdout)[Symbol.asyncIterator]();
    ask = async (question) => {
      perl.stdin.write(`${JSON.stringify(question)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the program has ended');
      return JSON.parse(value) as PerlAnswer;
    };
    end = async () => {
      perl.stdin.end();
      await once(perl, 'close');
    };
  });

  afterAll(async () => {
    await end();
    await served.close();
  });

  test('agrees on the cases of RFC 7208, but for those that are explained', async () => {
    const found: Record<string, string> = {};
    for (const each of SPF_CASES) {
      const zones = (served.zones = zonesOf(each));
      const theirs = await ask(questionOf(each));
      const { result: mine } = await check(zones, questionOf(each));
      if (theirs.result !== mine) found[`${each.section} ${each.what}`] = `${mine}, not ${told(theirs)}`;
    }
    expect(found).toEqual(
      Object.fromEntries(EXPLAINED_CASES.map(([name, mine, theirs]) => [name, `${mine}, not ${theirs}`])),
    );
  });

  test('agrees on 200 generated policies, but for those that are explained', async () => {
    const results = new Map<string, number>();
    const differences: unknown[] = [];
    let explained = 0;
    for (const { zones, ...question } of generatedPolicies(200, SEED)) {
      served.zones = zones;
      const theirs = await ask(question);
      const { result: mine } = await check(zones, question);
      results.set(mine, (results.get(mine) ?? 0) + 1);
      if (theirs.result === mine) continue;
      const records = recordsOf(zones);
      if (EXPLAINED.some(({ isThis }) => isThis(records, mine, theirs))) explained++;
      else differences.push({ question, records, mine, theirs });
    }
    expect(differences).toEqual([]);
    expect(explained).toBeLessThanOrEqual(10);
    // The policies are worth the comparison: each result is among them more than once.
    for (const result of ['none', 'neutral', 'pass', 'fail', 'softfail', 'temperror', 'permerror'])
      expect(results.get(result) ?? 0, result).toBeGreaterThan(4);
  });
});

const SEED = 1;

const told = ({ result, died }: PerlAnswer): string =>
  result ?? `died: ${/^[a-z ]+/.exec(died ?? '')?.[0].trim()}`;

/** Where Mail::SPF says otherwise, with the section that speaks for us. */
const EXPLAINED_CASES: readonly (readonly [name: string, ours: string, theirs: string, why: string])[] = [
  ['4.3 a label of 64 octets', 'none', 'died: label too long in', 'RFC 7208 section 4.3'],
  ['4.3 an empty label', 'none', 'died: empty label in', 'RFC 7208 section 4.3'],
  [
    '4.3 an underscore, which the domain of a mailbox cannot have (RFC 5321)',
    'none',
    'fail',
    'RFC 5321 section 4.1.2: letters, digits and hyphens; RFC 7208 section 4.3: malformed is none',
  ],
  [
    '4.8 an empty label in a name',
    'fail',
    'died: empty label in',
    'RFC 7208 sections 4.8 and 7.3 leave it open',
  ],
  ['4.6.4 eleven exchangers', 'permerror', 'fail', 'RFC 7208 section 4.6.4; RFC 4408 had it otherwise'],
  ['5.5 names that cannot be had', 'fail', 'temperror', 'RFC 7208 section 5.5: ptr fails to match'],
  ['5.6 ip6 with /0 is not for IPv4', 'neutral', 'pass', 'RFC 7208 section 5: of another version, no match'],
  ['5 ip6 with /0 is not for mapped IPv4', 'neutral', 'pass', 'RFC 7208 section 5: mapped IPv4 is IPv4'],
];

interface Explanation {
  readonly section: string;
  readonly isThis: (records: readonly string[], ours: string, theirs: PerlAnswer) => boolean;
}

const EXPLAINED: readonly Explanation[] = [
  {
    // Mail::SPF sees a macro that is none when it expands it.
    section: 'RFC 7208 section 4.6: syntax errors anywhere in the record',
    isThis: (records, mine) => mine === 'permerror' && records.some((record) => record.includes('%{x}')),
  },
  {
    // Mail::SPF counts each host of `mx` that has no address of the client's kind, a null MX (RFC 7505) among them.
    section: 'RFC 7208 section 4.6.4: void lookups are counted by term',
    isThis: (records, mine, { text = '' }) =>
      mine !== 'permerror' &&
      text.includes('void DNS look-ups') &&
      records.some((record) => /\bmx\b/.test(record)),
  },
];

const recordsOf = (zones: FakeDnsZones): readonly string[] =>
  Object.values(zones).flatMap((said) =>
    typeof said === 'object' && typeof said.TXT === 'object' ? said.TXT : [],
  );
