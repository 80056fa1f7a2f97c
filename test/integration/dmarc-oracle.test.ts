/** Perl's Mail::DMARC, which knows RFC 7489, and ours judge the same messages over zones that dnsmasq serves. */

import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomNumbers } from '../../host/testing/index.ts';
import { checkDomain, type DomainCheck } from '../../plugins/dmarc/domain-check.ts';
import { freePort } from '../free-port.ts';
import { describeWith, hasProgram } from './needs.ts';
import { StartedPrograms } from './started.ts';
import { scratchFolder } from './receivers/receiver.ts';

interface Case {
  readonly from: string;
  /** The domain that the list of public suffixes tells. */
  readonly organization: string;
  /** Records by the name in front of which `_dmarc` stands. */
  readonly records: readonly (readonly [name: string, record: string])[];
  /** Names with an address. */
  readonly hosts: readonly string[];
  readonly spf: { readonly domain: string; readonly result: 'pass' | 'fail'; readonly scope: 'mfrom' };
  readonly dkim: readonly {
    readonly domain: string;
    readonly selector: string;
    readonly result: 'pass' | 'fail';
  }[];
}

const CASES = 200;
const SEED = 9_989;

function generatedCases(): readonly Case[] {
  const random = randomNumbers(SEED);
  const chance = (share: number): boolean => random() < share;
  const oneOf = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const policy = (): string => oneOf('none', 'quarantine', 'reject');
  const record = (organization: string): string => {
    if (chance(0.04)) return oneOf('v=DMARC2; p=reject', 'v=spf1 -all', 'p=reject', 'v=dmarc1; p=reject');
    const tags = [
      'v=DMARC1',
      chance(0.05) ? 'p=discard' : `p=${policy()}`,
      ...(chance(0.4) ? [`sp=${policy()}`] : []),
      ...(chance(0.03) ? ['sp=x'] : []),
      ...(chance(0.1) ? [`np=${policy()}`] : []),
      ...(chance(0.3) ? [`adkim=${oneOf('r', 's')}`] : []),
      ...(chance(0.3) ? [`aspf=${oneOf('r', 's')}`] : []),
      ...(chance(0.08) ? ['t=y'] : []),
      ...(chance(0.05) ? [`pct=${oneOf('0', '100')}`] : []),
      ...(chance(0.05) ? [`psd=${oneOf('n', 'u')}`] : []),
      ...(chance(0.5) ? [`rua=mailto:reports@${organization}`] : []),
    ];
    return tags.join(oneOf(';', '; ', ' ; '));
  };
  return Array.from({ length: CASES }, (_, number): Case => {
    const organization = `d${number}.${oneOf('com', 'org', 'co.uk')}`;
    const from = oneOf('', '', 'sub.', 'deep.sub.') + organization;
    const names = [organization, `sub.${organization}`, `deep.sub.${organization}`];
    const other = (): string =>
      oneOf(from, organization, `other.${organization}`, ...names, `e${number}.com`);
    return {
      from,
      organization,
      records: [
        ...(chance(0.85) ? [[organization, record(organization)] as const] : []),
        ...(chance(0.15) ? [[`sub.${organization}`, record(organization)] as const] : []),
        ...(chance(0.04) ? [[organization, record(organization)] as const] : []),
      ],
      hosts: names.filter((name) => chance(name === organization ? 0.95 : 0.8)),
      spf: { domain: other(), result: oneOf('pass', 'fail'), scope: 'mfrom' },
      dkim: Array.from({ length: Math.floor(random() * 3) }, () => ({
        domain: other(),
        selector: 's',
        result: oneOf('pass', 'fail', 'fail'),
      })),
    };
  });
}

const tagOf = ([, record]: readonly [string, string], tag: string): string | undefined =>
  new RegExp(`;\\s*${tag}=(\\w+)`).exec(record)?.[1];

/** Why RFC 9989 wants another answer than RFC 7489, by the section that says so; undefined: it does not. */
function explanation(
  { from, hosts, organization, records, spf, dkim }: Case,
  published: string | undefined,
): string | undefined {
  const has = (tag: string): boolean => records.some((each) => tagOf(each, tag) !== undefined);
  const names = records.map(([name]) => name);
  if (records.some((each) => tagOf(each, 't') === 'y')) return '4.7: t=y lowers the policy by one';
  if (records.some((each) => tagOf(each, 'pct') === '0')) return 'A.6: pct is gone';
  if (has('np') && !hosts.includes(from)) return '4.7: np is the policy of what does not exist';
  if (records.some((each) => tagOf(each, 'psd') === 'n')) return '4.10.2: psd=n is the Organizational Domain';
  if (!hosts.includes(from) && !hosts.includes(organization))
    return 'A.4: what does not exist is judged as well';
  if (records.some(([, record]) => record.startsWith('v=dmarc1')))
    return '4.7: the version has capital letters';
  if (new Set(names).size < names.length) return '4.10: several records are none';
  if (records.some((each) => tagOf(each, 'p') === 'discard' || tagOf(each, 'sp') === 'x'))
    return '4.10.1: a record that cannot be followed is none, without an address for reports';
  const isWalked = [from, spf.domain, ...dkim.map(({ domain }) => domain)].some((domain) =>
    domain.includes('sub.'),
  );
  if (isWalked && names.includes(`sub.${organization}`)) return '4.10: the walk finds records between';
  if (published === undefined) return undefined;
  return !names.includes(organization) ? '4.10.2: the Organizational Domain has a record' : undefined;
}

/** What the two disagree about among the generated messages, and how often. */
const DIFFERENCES = {
  '4.7: t=y lowers the policy by one': 8,
  '4.7: the version has capital letters': 1,
  '4.10: several records are none': 7,
  '4.10: the walk finds records between': 1,
  '4.10.1: a record that cannot be followed is none, without an address for reports': 3,
  '4.10.2: psd=n is the Organizational Domain': 1,
  'A.4: what does not exist is judged as well': 4,
  'A.6: pct is gone': 3,
};

interface Answer {
  readonly result?: string;
  readonly disposition?: string;
  readonly comment?: string;
  readonly died?: string;
}

/** Both in the words of RFC 9989. Mail::DMARC calls `fail` what it breaks off. */
const theirs = ({ result, disposition, died }: Answer): string => died ?? `${result} ${disposition}`;
const ours = ({ result, policy }: DomainCheck): string => `${result} ${result === 'fail' ? policy : 'none'}`;

const describeWithBoth = hasProgram('dnsmasq')
  ? describeWith('dmarc_lookup', 'libmail-dmarc-perl')
  : describeWith('dnsmasq', 'dnsmasq-base');

describeWithBoth('Mail::DMARC', () => {
  const programs = new StartedPrograms();
  const folder = scratchFolder('dmarc');
  const cases = generatedCases();
  let port = 0;
  let ask: (question: unknown) => Promise<Answer>;
  const resolver = new Resolver({ timeout: 2_000, tries: 3 });

  beforeAll(async () => {
    port = await freePort();
    const file = join(folder, 'dnsmasq.conf');
    const zone = cases.flatMap(({ records, hosts }) => [
      ...records.map(([name, record]) => `txt-record=_dmarc.${name},"${record}"`),
      ...hosts.map((name) => `host-record=${name},192.0.2.1`),
    ]);
    const options = [
      'no-resolv',
      'no-hosts',
      'bind-interfaces',
      'listen-address=127.0.0.1',
      'local=/com/org/uk/',
    ];
    writeFileSync(file, [...options, `user=${userInfo().username}`, ...zone, ''].join('\n'));
    programs.start([
      'dnsmasq',
      '--keep-in-foreground',
      '--log-facility=-',
      `--port=${port}`,
      `--conf-file=${file}`,
    ]);
    resolver.setServers([`127.0.0.1:${port}`]);
    await serverAnswers(resolver);
    const perl = spawn('perl', [join(import.meta.dirname, 'programs/mail-dmarc.pl'), String(port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface(perl.stdout)[Symbol.asyncIterator]();
    ask = async (question) => {
      perl.stdin.write(`${JSON.stringify(question)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the program has ended');
      return JSON.parse(value) as Answer;
    };
    programs.atEnd(async () => {
      perl.stdin.end();
      await once(perl, 'close');
    });
  });

  afterAll(async () => {
    await programs.end();
    rmSync(folder, { recursive: true, force: true });
  });

  test(`agrees with us on ${CASES} messages, but where RFC 9989 has changed RFC 7489`, async () => {
    const unexplained: unknown[] = [];
    const explained: Record<string, number> = {};
    let equal = 0;
    for (const each of cases) {
      const answer = await ask({ from: each.from, spf: [each.spf], dkim: each.dkim });
      const evidence = {
        spf: each.spf,
        signatures: each.dkim.map((signature) => ({ ...signature, comment: undefined })),
      };
      const found = await checkDomain(
        each.from,
        evidence,
        (name, type) => resolver.resolve(name, type) as Promise<string[]>,
      );
      if (theirs(answer) === ours(found)) equal++;
      else {
        const why = explanation(each, found.published?.domain);
        if (why === undefined) unexplained.push([ours(found), theirs(answer), answer.comment, each]);
        else explained[why] = (explained[why] ?? 0) + 1;
      }
    }
    expect(unexplained).toEqual([]);
    expect(explained).toEqual(DIFFERENCES);
    expect(equal).toBe(172);
  });
});

/** Until the name server has its zones. */
async function serverAnswers(resolver: Resolver): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await resolver.resolve('nothing.d0.com', 'TXT');
      return;
    } catch (cause) {
      const { code } = cause as { readonly code?: string };
      if (code === 'ENOTFOUND' || code === 'ENODATA') return;
      if (tries === 30) throw cause;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
