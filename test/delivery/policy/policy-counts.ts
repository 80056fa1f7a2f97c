/** What became of TLS on the way to each domain, added up as a report of RFC 8460 does. */

import type { TlsCount, TlsRow } from '../../../plugins/reports/tls-counts.ts';

interface PolicyCount {
  readonly domain: string;
  readonly policyType: TlsRow['policyType'];
  successes: number;
  readonly failures: Partial<Record<TlsRow['result'], number>>;
}

export class PolicyCounts {
  readonly counts: PolicyCount[] = [];

  readonly count: TlsCount = (domain, policyType, result) => {
    let known = this.counts.find((each) => each.domain === domain && each.policyType === policyType);
    if (known === undefined) this.counts.push((known = { domain, policyType, successes: 0, failures: {} }));
    if (result === 'success') known.successes++;
    else known.failures[result] = (known.failures[result] ?? 0) + 1;
  };
}
