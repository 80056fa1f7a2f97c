/** Whether a hop's certificate is one that its TLSA records speak of. RFC 7672 section 3, RFC 7671 section 5. */

import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate, TlsaRecord } from '../../../bindings/plugin/index.ts';
import { readCertificate, standsForHost } from './certificates.ts';
import { matches, publishedAnchors, USAGE } from './dane-records.ts';

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
