/** What becomes of a result: the levels of qpsmtpd, which are those of the SPF patch for qmail-smtpd. */

import { deny, denySoft, type Verdict } from '../../bindings/plugin/index.ts';
import type { SpfOutcome } from '../mailauth/sender-results.ts';

interface Row {
  /** Lowest level that puts the client off, and the lowest that refuses it; undefined: none does. */
  readonly defersFrom?: number;
  readonly refusesFrom?: number;
  /** What the reply calls the result when it puts off and when it refuses; undefined: by its name. */
  readonly deferral?: string;
  readonly refusal?: string;
}

const LEVELS: Readonly<Record<Exclude<SpfOutcome, 'pass' | 'temperror'>, Row>> = {
  fail: { defersFrom: 2, refusesFrom: 3, refusal: 'forgery' },
  softfail: { defersFrom: 3, refusesFrom: 4, deferral: 'fail', refusal: 'fail' },
  neutral: { refusesFrom: 5 },
  permerror: { defersFrom: 4, refusesFrom: 6 },
  none: { refusesFrom: 6 },
};

/** From this level on a domain whose policy cannot be had is put off, unless the operator says otherwise. */
const DEFERS_TEMPERROR_FROM = 4;

export interface Terms {
  readonly level: number;
  /** What the operator says of `temperror`, whatever the level. */
  readonly temperror: 'accept' | 'defer' | undefined;
}

/** False: no result can keep the client from its transaction, and none need be waited for at MAIL. */
export const mayRefuse = ({ level, temperror }: Terms): boolean => level >= 2 || temperror === 'defer';

/**
 * What the client is told, `why` at its end; undefined: it may go on. Where the DNS did not answer all questions nothing is for
 * good: the answer may have been that the client is permitted.
 */
export function verdictOn(
  result: SpfOutcome,
  why: string,
  terms: Terms,
  hasUnanswered: boolean,
): Verdict | undefined {
  if (result === 'pass') return undefined;
  if (result === 'temperror') return defersTemperror(terms) ? denySoft(`SPF - temperror: ${why}`) : undefined;
  const { defersFrom, refusesFrom, deferral = result, refusal = result } = LEVELS[result];
  if (refusesFrom !== undefined && terms.level >= refusesFrom)
    return (hasUnanswered ? denySoft : deny)(`SPF - ${refusal}: ${why}`);
  if (defersFrom !== undefined && terms.level >= defersFrom) return denySoft(`SPF - ${deferral}: ${why}`);
  return undefined;
}

const defersTemperror = ({ level, temperror }: Terms): boolean =>
  temperror === undefined ? level >= DEFERS_TEMPERROR_FROM : temperror === 'defer';

/** Where the domain in From has no DMARC policy: the lowest `no_dmarc_policy` that refuses the result. */
const WITHOUT_DMARC: Readonly<Partial<Record<SpfOutcome, number>>> = {
  fail: 1,
  softfail: 2,
  neutral: 3,
  permerror: 4,
  none: 4,
};

export function verdictWithoutDmarc(
  result: SpfOutcome,
  why: string,
  level: number,
  hasUnanswered: boolean,
): Verdict | undefined {
  const refusesFrom = WITHOUT_DMARC[result];
  if (refusesFrom === undefined || level < refusesFrom) return undefined;
  return (hasUnanswered ? denySoft : deny)(`SPF - ${result}: ${why}`);
}
