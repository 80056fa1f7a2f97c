/** From the checks of the domains in From to what is done with the message. RFC 9989 sections 5.3.6, 5.4 and 11.5. */

import type { DmarcOutcome, DmarcPolicy, DmarcResult, PolicyOverride } from '../mailauth/sender-results.ts';
import type { Authors } from './authors.ts';
import type { DomainCheck } from './domain-check.ts';

/** So many domains of one From field are looked at. More are not met in mail that anybody wants. */
export const MAX_DOMAINS = 5;

/** What is done with mail whose domain asks for `p=quarantine`: refuse as qpsmtpd does, mark for queue/quarantine, deliver. */
export type QuarantineAction = 'refuse' | 'keep' | 'deliver';

export interface Ruling {
  readonly result: DmarcOutcome;
  readonly disposition: DmarcResult['disposition'];
  readonly overrides: readonly PolicyOverride[];
  /** What speaks against the message, and nothing exempts it; undefined if nothing does. */
  readonly fault: Fault | undefined;
  /** The check that decides; undefined if none was made. */
  readonly check: DomainCheck | undefined;
  /** For the log. */
  readonly log: string;
}

export interface Fault {
  /** For the client. */
  readonly text: string;
  /** The message is to be marked, not refused. */
  readonly isKept: boolean;
}

export interface RulingOptions {
  /** False where the plugin's line says `reject 0`. */
  readonly refuses: boolean;
  readonly quarantine: QuarantineAction;
  /** What lets a message of the domain through; asked only for one that fails. */
  readonly exemption: (check: DomainCheck | undefined) => Promise<PolicyOverride | undefined>;
}

const MALFORMED = {
  // As qpsmtpd says.
  missing: 'empty from address, null sender?',
  repeated: 'more than one From header',
  unparseable: 'unparseable from header',
} as const;

const STRENGTH = { none: 0, quarantine: 1, reject: 2 } as const satisfies Record<DmarcPolicy, number>;

/** Such messages are outside of DMARC, and a way around it for forgers: they are refused. RFC 9989 section 11.5. */
export async function ruleOnMalformed(authors: Authors, options: RulingOptions): Promise<Ruling> {
  const { problem, domains } = authors;
  const text = problem === undefined ? 'too many domains in the From header' : MALFORMED[problem];
  const named = domains.slice(0, MAX_DOMAINS).join(', ');
  const log = named === '' ? text : `${text}: ${named}`;
  const ruling = await apply('reject', text, undefined, options);
  return { ...ruling, result: 'permerror', check: undefined, log };
}

/** One Author Domain, or several of which the strictest policy counts. */
export async function rule(checks: readonly DomainCheck[], options: RulingOptions): Promise<Ruling> {
  const failed = checks.filter((check) => check.result === 'fail');
  const [strictest] = failed.sort((a, b) => strengthOf(b) - strengthOf(a));
  const check = strictest ?? checks[0]!;
  const result = checks.length === 1 ? check.result : 'permerror';
  const log = `${check.domain}${check.policy === undefined ? '' : `, p=${check.policy}`}`;
  if (strictest === undefined) {
    const disposition = checks.every((each) => each.result === 'pass') ? 'pass' : 'none';
    return { result, disposition, overrides: [], fault: undefined, check, log: check.error ?? log };
  }
  const ruling = await apply(strictest.policy ?? 'none', 'failed DMARC policy', strictest, options);
  return { ...ruling, result, check, log };
}

const strengthOf = ({ policy }: DomainCheck): number => STRENGTH[policy ?? 'none'];

type Applied = Pick<Ruling, 'disposition' | 'overrides' | 'fault'>;

async function apply(
  policy: DmarcPolicy,
  text: string,
  check: DomainCheck | undefined,
  { refuses, quarantine, exemption }: RulingOptions,
): Promise<Applied> {
  const tested = testOverrides(check);
  const letThrough = (override: PolicyOverride): Applied => ({
    disposition: 'none',
    overrides: [...tested, override],
    fault: undefined,
  });
  if (policy === 'none') return { disposition: 'none', overrides: tested, fault: undefined };
  const exempt = await exemption(check);
  if (exempt !== undefined) return letThrough(exempt);
  if (policy === 'quarantine' && quarantine === 'deliver')
    return letThrough({ type: 'local_policy', comment: 'nothing is quarantined here' });
  const fault = { text, isKept: policy === 'quarantine' && quarantine === 'keep' };
  if (!refuses) return { ...letThrough({ type: 'local_policy', comment: 'nothing is refused here' }), fault };
  if (policy === 'reject' || fault.isKept) return { disposition: policy, overrides: tested, fault };
  const refused = { type: 'local_policy', comment: 'quarantine is refusal here' } as const;
  return { disposition: 'reject', overrides: [...tested, refused], fault };
}

/** RFC 9990 wants to be told where `t=y` has made the policy weaker. */
function testOverrides(check: DomainCheck | undefined): PolicyOverride[] {
  const published = check?.published;
  if (published === undefined || !published.isTested) return [];
  const isInherited = published.domain !== check?.domain;
  const strongest = isInherited
    ? [published.p, published.sp, published.np].some((policy) => policy !== undefined && policy !== 'none')
    : published.p !== 'none';
  return strongest ? [{ type: 'policy_test_mode', comment: 't=y' }] : [];
}
