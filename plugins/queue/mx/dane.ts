/**
 * DANE for SMTP: where TLSA records are looked for, which can be used, and whether a hop's certificate is one that they speak
 * of. RFC 7672 sections 2.2 and 3, RFC 6698 section 2.1, RFC 7671 sections 5 and 9.
 */

import { createHash, createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import type { PeerCertificate, Resolver, TlsaRecord } from '../../../bindings/plugin/index.ts';
import { publicKeyOf, readCertificate, standsForHost } from './certificates.ts';

export type DaneFinding =
  /** The host does not take part, and that is certain: TLS as far as it can be had. */
  | { readonly kind: 'none' }
  /** Nobody could tell. The host must not be used: that may be an attack which hides its records. RFC 7672 section 2.1.2. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** It takes part, with records nobody can use: TLS, with whatever certificate. RFC 7672 section 2.2. */
  | { readonly kind: 'unusable'; readonly baseDomain: string }
  | { readonly kind: 'usable'; readonly records: readonly TlsaRecord[]; readonly baseDomain: string };

/** A host whose name DNSSEC vouches for, and what is known of its addresses. */
interface DaneHost {
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

/** Where records may stand: at the name after all aliases, then at the name itself. RFC 7672 section 2.2.2. */
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

/** DANE-TA: the record names an authority. DANE-EE: it names the server's own certificate or key. RFC 7218 section 2.1. */
const USAGE = { danePkixTa: 0, danePkixEe: 1, daneTa: 2, daneEe: 3 } as const;
const SELECTOR = { certificate: 0, publicKey: 1 } as const;
const MATCHING = { full: 0, sha256: 1, sha512: 2 } as const;

const DIGESTS: Readonly<Record<number, { readonly name: string; readonly octets: number }>> = {
  [MATCHING.sha256]: { name: 'sha256', octets: 32 },
  [MATCHING.sha512]: { name: 'sha512', octets: 64 },
};

/**
 * The records that can be used, digests that are weaker than others of the same kind left out: RFC 7672 section 5 by way of
 * RFC 7671 section 9. PKIX-TA and PKIX-EE are none: nobody agreed on the authorities of mail servers. RFC 7672 section 3.1.3.
 */
export function usableRecords(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const usable = records.filter(isUsable);
  return usable.filter(
    (record) =>
      record.matching !== MATCHING.sha256 ||
      !usable.some(
        ({ usage, selector, matching }) =>
          usage === record.usage && selector === record.selector && matching === MATCHING.sha512,
      ),
  );
}

function isUsable({ usage, selector, matching, data }: TlsaRecord): boolean {
  if (usage !== USAGE.daneTa && usage !== USAGE.daneEe) return false;
  if (selector !== SELECTOR.certificate && selector !== SELECTOR.publicKey) return false;
  if (matching !== MATCHING.full) return data.length === DIGESTS[matching]?.octets;
  return (selector === SELECTOR.certificate ? readCertificate(data) : readKey(data)) !== undefined;
}

/** The record stands for the certificate, given in DER. */
function matches({ selector, matching, data }: TlsaRecord, certificate: Buffer): boolean {
  const selected = selector === SELECTOR.certificate ? certificate : publicKeyOf(certificate);
  if (selected === undefined) return false;
  const digest = DIGESTS[matching];
  return data.equals(digest === undefined ? selected : createHash(digest.name).update(selected).digest());
}

/** An authority that stands in the DNS as a whole: servers need not send it. RFC 7671 sections 5.2.2 and 5.2.3. */
interface PublishedAnchor {
  readonly key: KeyObject;
  /** Undefined for a bare key, which has neither name nor dates. */
  readonly certificate: X509Certificate | undefined;
}

function publishedAnchors(records: readonly TlsaRecord[]): readonly PublishedAnchor[] {
  return records.flatMap(({ usage, selector, matching, data }): readonly PublishedAnchor[] => {
    if (usage !== USAGE.daneTa || matching !== MATCHING.full) return [];
    const certificate = selector === SELECTOR.certificate ? readCertificate(data) : undefined;
    const key = certificate?.publicKey ?? readKey(data);
    return key === undefined ? [] : [{ key, certificate }];
  });
}

function readKey(der: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

/** Uses of a key that let it identify a server; certificates may also leave it open. RFC 5280 section 4.2.1.12. */
const SERVER_USES = new Set(['1.3.6.1.5.5.7.3.1', '2.5.29.37.0']);

/** Why the certificate won't do, and the result type of RFC 8460 section 4.3 for that. */
export interface DaneFault {
  readonly result: 'certificate-expired' | 'certificate-host-mismatch' | 'validation-failure';
  readonly text: string;
}

const NO_MATCH: DaneFault = { result: 'validation-failure', text: 'no TLSA record stands for it' };

/**
 * Undefined if one of the usable `records` vouches for the certificate. `names`: what it may stand for where an authority
 * vouches for it. `now` in milliseconds since the epoch.
 */
export function judgeByDane(
  records: readonly TlsaRecord[],
  { chain }: Pick<PeerCertificate, 'chain'>,
  names: readonly string[],
  now: number,
): DaneFault | undefined {
  const [own] = chain;
  if (own === undefined) return NO_MATCH;
  // RFC 7672 section 3.1.1: names and dates of the certificate do not count, the record alone says which server it is, and for how long.
  if (records.some((record) => record.usage === USAGE.daneEe && matches(record, own))) return undefined;
  const anchors = records.filter(({ usage }) => usage === USAGE.daneTa);
  if (anchors.length === 0) return NO_MATCH;
  const fault = faultOfChain(anchors, chain, now);
  if (fault !== undefined) return fault;
  if (names.some((name) => standsForHost(own, name, 'fallback'))) return undefined;
  return { result: 'certificate-host-mismatch', text: `it stands for none of ${names.join(', ')}` };
}

/** Climbs from the hop's own certificate to one that a record names, and checks every step. */
function faultOfChain(
  anchors: readonly TlsaRecord[],
  chain: readonly Buffer[],
  now: number,
): DaneFault | undefined {
  const links = chain.map(readCertificate);
  const [own] = links;
  if (own?.keyUsage !== undefined && !own.keyUsage.some((use) => SERVER_USES.has(use)))
    return { result: 'validation-failure', text: 'its key is not for servers' };
  for (const [index, link] of links.entries()) {
    if (link === undefined) return NO_MATCH;
    if (!isValidAt(link, now)) return { result: 'certificate-expired', text: 'its chain is out of date' };
    // Otherwise any certificate of the authority could issue further ones for other hosts.
    if (index > 0 && !link.ca) return { result: 'validation-failure', text: 'an issuer is no authority' };
    if (index > 0 && anchors.some((record) => matches(record, chain[index]!))) return undefined;
    if (isIssuedByPublished(link, anchors, now)) return undefined;
    const issuer = links[index + 1];
    if (issuer === undefined) return NO_MATCH;
    if (!isIssuedBy(link, issuer)) return { result: 'validation-failure', text: 'its chain is broken' };
  }
  return NO_MATCH;
}

const isIssuedByPublished = (link: X509Certificate, anchors: readonly TlsaRecord[], now: number): boolean =>
  publishedAnchors(anchors).some(({ key, certificate }) =>
    certificate === undefined
      ? verifies(link, key)
      : certificate.ca && isValidAt(certificate, now) && isIssuedBy(link, certificate),
  );

const isIssuedBy = (link: X509Certificate, issuer: X509Certificate): boolean =>
  link.checkIssued(issuer) && verifies(link, issuer.publicKey);

const isValidAt = ({ validFrom, validTo }: X509Certificate, now: number): boolean =>
  Date.parse(validFrom) <= now && now <= Date.parse(validTo);

/** Throws for keys of another kind than the signature. */
function verifies(link: X509Certificate, key: X509Certificate['publicKey']): boolean {
  try {
    return link.verify(key);
  } catch {
    return false;
  }
}
