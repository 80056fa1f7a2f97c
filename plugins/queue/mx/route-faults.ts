/** What recipients of a domain are told if there is no way to it. RFC 3463 section 3.5, RFC 7505 section 4.1. */

import type { RecipientOutcome } from '../../../bindings/plugin/index.ts';

/** Also an outcome, the same for every recipient of the domain. */
export type RouteFault = RecipientOutcome;

const refused = (code: number, status: string, text: string): RouteFault => ({
  kind: 'refused',
  reply: { code, status, lines: [text] },
  hop: undefined,
});

const deferred = (code: number, status: string, text: string): RouteFault => ({
  ...refused(code, status, text),
  kind: 'deferred',
});

export const routeFaults = {
  noSuchDomain: (domain: string) => refused(550, '5.1.2', `${domain} does not exist`),
  noDomain: refused(550, '5.1.2', 'an address without a domain has no way in the DNS'),
  nullMx: (domain: string) => refused(556, '5.1.10', `${domain} takes no mail`),
  noHost: (domain: string) => refused(550, '5.4.4', `no mail host of ${domain} can be reached by anybody`),
  loop: (domain: string) => refused(554, '5.4.6', `mail for ${domain} would come back to this host`),
  lookUpFailed: (domain: string, reason: string) =>
    deferred(451, '4.4.3', `the mail hosts of ${domain} could not be looked up (${reason})`),
  noTrustedHost: (domain: string) => deferred(451, '4.7.5', `no mail host of ${domain} is known for certain`),
  notInPolicy: (domain: string) =>
    deferred(451, '4.7.5', `no mail host of ${domain} stands in the policy of the domain (MTA-STS)`),
  /** RFC 8689 section 4.2.1. */
  notRequirable: (domain: string) =>
    refused(550, '5.7.30', `the mail hosts of ${domain} cannot be verified as REQUIRETLS asks for`),
  tookTooLong: (domain: string) =>
    deferred(451, '4.4.3', `looking for the mail hosts of ${domain} took too long`),
  oneDomain: deferred(452, '4.5.3', 'recipients of another domain need a message of their own'),
} as const;
