/** Mail that goes where the DNS says: MX records, and what domains demand of TLS. */

import type { HopOptions, HopOutlet } from '../smtp/hop-options.ts';

/** What became of TLS on the way to a domain since the configuration was read; RFC 8460 has the words. */
export interface TlsPolicyCount {
  readonly domain: string;
  /** Which policy was applied: DANE (RFC 7672), MTA-STS (RFC 8461) or none. */
  readonly policyType: 'tlsa' | 'sts' | 'no-policy-found';
  /** New connections whose TLS was as the policy wants it. */
  readonly successes: number;
  /** Connections, or look-ups in place of them, by their result type (RFC 8460 section 4.3). */
  readonly failures: Readonly<Partial<Record<string, number>>>;
}

/**
 * Of `tls` only `minimumVersion` counts: the rest is up to the domains. Files for TLS and logins are those of one hop, and
 * make no sense here.
 */
export interface MxOptions extends Omit<
  HopOptions,
  'hosts' | 'protocol' | 'tlsFiles' | 'loginFile' | 'allowsClearLogin'
> {
  /** Port of all hosts; TLSA records are looked for under it. Undefined: 25. */
  readonly port?: number | undefined;
  /** Names of this host besides `helloName`: an MX list that has one is used up to there. RFC 5321 section 5.1. */
  readonly ownNames?: readonly string[] | undefined;
  /** False: no TLSA records are looked for. Undefined: true. */
  readonly isDaneUsed?: boolean | undefined;
  /** False: no policies of MTA-STS are looked for. Undefined: true. */
  readonly isStsUsed?: boolean | undefined;
}

export interface MailExchange {
  /**
   * An outlet that hands each recipient's mail to the hosts of his domain. What TLS has to be is up to the domain and to
   * the message (RFC 8689). It is closed with the configuration it was opened under.
   */
  open(options: MxOptions): HopOutlet;
  /** What all its outlets have counted. */
  readonly policyCounts: readonly TlsPolicyCount[];
}
