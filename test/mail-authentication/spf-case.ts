/** A case of SPF: a question, the zones around it, and what RFC 7208 says. */

import { fakeResolver, TestClock, type FakeDnsZones } from '../../host/testing/index.ts';
import { mailauthResolver } from '../../plugins/mailauth/dns-resolver.ts';
import { checkHost, type SpfAnswer } from '../../plugins/mailauth/spf.ts';

type Result = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror';

export interface SpfCase {
  /** Of RFC 7208, unless another is named. */
  readonly section: string;
  readonly what: string;
  /** Several where the RFC leaves it open; ours is the first. */
  readonly result: Result | readonly [Result, ...Result[]];
  /** What the record of `s.example` says after its version; undefined: `zones` has it, or there is none. */
  readonly record?: string | undefined;
  /** Beside `WORLD`. */
  readonly zones?: FakeDnsZones | undefined;
  /** Undefined: 192.0.2.4, `u@s.example`, `helo.example`. */
  readonly ip?: string | undefined;
  readonly from?: string | undefined;
  readonly helo?: string | undefined;
  /** The explanation of a `fail`; null: there is none. Undefined: it is not looked at. */
  readonly says?: string | null | undefined;
}

export interface Question {
  readonly ip: string;
  /** `''`: HELO is checked. */
  readonly from: string;
  readonly helo: string;
}

export type More = Omit<SpfCase, 'section' | 'what' | 'record' | 'result'>;

export const of = (
  section: string,
  what: string,
  record: string | undefined,
  result: SpfCase['result'],
  more: More = {},
): SpfCase => ({ section, what, record, result, ...more });

export const MAPPED = '::ffff:192.0.2.4';
export const SIX = '2001:db8:40::4';
export const txt = (...texts: string[]): { TXT: readonly string[] } => ({ TXT: texts });

/** Names that many records lead to. */
export const WORLD: FakeDnsZones = {
  'client.example': { A: ['192.0.2.4'] },
  'six.example': { AAAA: [SIX] },
  'both.example': { A: ['192.0.2.77'], AAAA: ['2001:db8:40::77'] },
  'far.example': { A: ['198.51.100.1', '198.51.100.2'] },
  'x.example': { A: ['198.51.100.1', '192.0.2.9'], MX: ['0 x.example'] },
  'dead.example': 'timeout',
  'down.example': 'SERVFAIL',
  'permits.example': txt('v=spf1 ip4:192.0.2.4 -all'),
  'forbids.example': txt('v=spf1 ip4:198.51.100.1 -all'),
  'doubts.example': txt('v=spf1 ip4:198.51.100.1 ~all'),
  'shrugs.example': txt('v=spf1 ip4:198.51.100.1 ?all'),
  'plain.example': txt('v=spf, in words that are no record'),
  'helo.example': { A: ['192.0.2.25'] },
};

/** All names of a case. */
export const zonesOf = ({ record, zones }: SpfCase): FakeDnsZones => ({
  ...WORLD,
  ...(record !== undefined && { 's.example': txt(`v=spf1 ${record}`) }),
  ...zones,
});

export const questionOf = ({ ip, from, helo }: SpfCase): Question => ({
  ip: ip ?? '192.0.2.4',
  from: from ?? 'u@s.example',
  helo: helo ?? 'helo.example',
});

/** What `checkHost` says over the zones, and what it asked. Time passes as far as the questions wait for it. */
export async function check(
  zones: FakeDnsZones,
  { ip, from, helo }: Question,
): Promise<SpfAnswer & { questions: readonly string[] }> {
  const clock = new TestClock();
  const dns = fakeResolver(zones, clock);
  const resolver = mailauthResolver({ dns, clock }, { timeoutMs: 20_000, lateCode: 'ESPFTIMELIMIT' });
  const sender = from === '' ? undefined : from;
  let isOver = false;
  const answer = checkHost({ ip, sender, helo, receiver: 'mx.test', resolver }).finally(
    () => (isOver = true),
  );
  for (let second = 0; second < 25 && !isOver; second++) await dns.advance(1_000);
  return { ...(await answer), questions: dns.questions };
}
