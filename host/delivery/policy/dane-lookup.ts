/** Which TLSA records hold for a mail host. RFC 7672 sections 2.2.2 and 2.2.3. */

import type { Resolver } from '../../../bindings/plugin/resolver.ts';
import type { TlsaRecord } from '../../../bindings/plugin/resolver.ts';
import { usableRecords } from './dane-records.ts';

export type DaneFinding =
  /** The host does not take part, and that is certain: TLS as far as it can be had. */
  | { readonly kind: 'none' }
  /** Nobody could tell. The host must not be used: that may be an attack which hides its records. RFC 7672 section 2.1.2. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** It takes part, with records nobody can use: TLS, whoever it is. RFC 7672 section 2.2. */
  | { readonly kind: 'unusable'; readonly baseDomain: string }
  | { readonly kind: 'usable'; readonly records: readonly TlsaRecord[]; readonly baseDomain: string };

/** A host whose name DNSSEC vouches for, and what is known of its addresses. */
export interface DaneHost {
  readonly name: string;
  readonly port: number;
  readonly isSecure: boolean;
  readonly canonicalName: string;
}

export async function lookUpDane(dns: Resolver, host: DaneHost): Promise<DaneFinding> {
  const bases = await baseDomainsOf(dns, host);
  if (!Array.isArray(bases)) return { kind: 'failed', reason: bases.reason };
  for (const baseDomain of bases) {
    const answer = await dns.tlsa(`_${host.port}._tcp.${baseDomain}`);
    if (answer.status === 'failed') return { kind: 'failed', reason: answer.reason };
    // Without DNSSEC anybody on the way could have put it there, so it counts as if it were not.
    if (answer.status !== 'found' || !answer.isSecure) continue;
    const records = usableRecords(answer.records);
    return records.length === 0 ? { kind: 'unusable', baseDomain } : { kind: 'usable', records, baseDomain };
  }
  return { kind: 'none' };
}

/** Where records may stand: at the name behind all aliases, then at the name itself. RFC 7672 section 2.2.2. */
async function baseDomainsOf(
  dns: Resolver,
  { name, isSecure, canonicalName }: DaneHost,
): Promise<string[] | { readonly reason: string }> {
  if (isSecure) return canonicalName === name ? [name] : [canonicalName, name];
  // Insecure zones are not asked: some of their servers answer questions for TLSA with failures, which would stop the mail.
  if (canonicalName === name) return [];
  const alias = await dns.cname(name);
  if (alias.status === 'failed') return { reason: alias.reason };
  return alias.isSecure && alias.status === 'found' ? [name] : [];
}
