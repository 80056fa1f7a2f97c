/** What became of TLS on the way to each domain: the figures a report under RFC 8460 is made of. */

/** RFC 8460 section 4.3. */
export type FailureResult =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid';

/** RFC 8460 section 4.4. */
export type PolicyType = 'tlsa' | 'sts' | 'no-policy-found';

export interface PolicyCount {
  readonly domain: string;
  readonly policyType: PolicyType;
  /** Connections whose TLS was as the policy wants it. */
  readonly successes: number;
  /** Connections, or look-ups in place of them, by what was wrong. */
  readonly failures: Readonly<Partial<Record<FailureResult, number>>>;
}

/** What is known of one connection, for reports. */
export interface SessionDetails {
  /** The mail host. */
  readonly mx?: string | undefined;
  /** The TLSA records that held, as text. */
  readonly policy?: readonly string[] | undefined;
}

export type CountReport = (
  domain: string,
  policyType: PolicyType,
  result: FailureResult | 'success',
  details: SessionDetails,
) => void;

interface Count {
  readonly domain: string;
  readonly policyType: PolicyType;
  successes: number;
  readonly failures: Partial<Record<FailureResult, number>>;
}

/** Pairs of domain and kind of policy; what was counted for the one seen first is dropped for a further one. */
const MAX_COUNTS = 10_000;

export class PolicyCounters {
  readonly #counts = new Map<string, Count>();
  readonly #report: CountReport | undefined;

  /** `report` is told of each one as well; undefined: nobody reports. */
  constructor(report?: CountReport) {
    this.#report = report;
  }

  success(domain: string, policyType: PolicyType, details: SessionDetails = {}): void {
    this.#countOf(domain, policyType).successes++;
    this.#report?.(domain, policyType, 'success', details);
  }

  failure(domain: string, policyType: PolicyType, result: FailureResult, details: SessionDetails = {}): void {
    const { failures } = this.#countOf(domain, policyType);
    failures[result] = (failures[result] ?? 0) + 1;
    this.#report?.(domain, policyType, result, details);
  }

  /** Everything counted so far, in the order the domains were first seen. */
  get counts(): readonly PolicyCount[] {
    return [...this.#counts.values()];
  }

  #countOf(domain: string, policyType: PolicyType): Count {
    const key = `${policyType} ${domain}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const [first] = this.#counts.keys();
    if (this.#counts.size >= MAX_COUNTS && first !== undefined) this.#counts.delete(first);
    const count: Count = { domain, policyType, successes: 0, failures: {} };
    this.#counts.set(key, count);
    return count;
  }
}
