/** What lets a message through that fails the check of its domain. RFC 7960, RFC 9989 section 5.4. */

import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import type { ArcResult } from '../mailauth/arc-chain.ts';
import type { PolicyOverride } from '../mailauth/sender-results.ts';
import type { Evidence } from './domain-check.ts';

/** Domains in canonical form. */
export type Domains = ReadonlySet<string>;

/** Lines of a configuration file; throws for what is no domain. */
export function compileDomains(lines: readonly string[]): Domains {
  return new Set(
    lines.map((line) => {
      const domain = canonicalDomain(line);
      if (domain === undefined || !/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/.test(domain))
        throw new Error(`${line} is no domain: a line holds one, such as lists.example.org`);
      return domain;
    }),
  );
}

/**
 * A forwarder or a mailing list that the operator knows, and that SPF or DKIM vouches for. The domain alone is not enough:
 * anybody may name it.
 */
export function forwarderOverride(
  { spf, signatures }: Evidence,
  isList: boolean,
  forwarders: Domains,
): PolicyOverride | undefined {
  const passed = signatures.filter(({ result }) => result === 'pass').map(({ domain }) => domain);
  if (spf?.result === 'pass') passed.push(spf.domain);
  const known = passed.map(canonicalDomain).find((domain) => domain !== undefined && forwarders.has(domain));
  if (known === undefined) return undefined;
  return { type: isList ? 'mailing_list' : 'trusted_forwarder', comment: known };
}

/**
 * Somebody on the way has seen the message pass, and all who have handled it since are trusted: an untrusted one may have
 * written anything into the sets before its own. RFC 8617 sections 7.2 and 9.3.
 */
export function arcOverride(
  { result, sets }: ArcResult,
  domain: string,
  sealers: Domains,
): PolicyOverride | undefined {
  if (result !== 'pass') return undefined;
  const trusted: string[] = [];
  for (const set of [...sets].reverse()) {
    const sealer = canonicalDomain(set.domain);
    if (sealer === undefined || !sealers.has(sealer)) return undefined;
    trusted.push(`as[${set.instance}].d=${sealer} as[${set.instance}].s=${set.selector}`);
    // The form is that of RFC 8617 section 7.2.2.
    if (tellsPass(set.results, domain))
      return { type: 'local_policy', comment: `arc=pass ${trusted.join(' ')}` };
  }
  return undefined;
}

/** True if the results hold `dmarc=pass` for the domain. RFC 8601 section 2.2. */
function tellsPass(results: string, domain: string): boolean {
  return withoutComments(results)
    .split(';')
    .some((result) => {
      const [method, ...properties] = result.trim().toLowerCase().split(/\s+/);
      if (method !== 'dmarc=pass') return false;
      const from = properties.find((property) => property.startsWith('header.from='));
      return from !== undefined && canonicalDomain(from.slice('header.from='.length)) === domain;
    });
}

/** Comments, and what is quoted, may hold what looks like a result. */
function withoutComments(text: string): string {
  let plain = '';
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\\' && (isQuoted || depth > 0)) at++;
    else if (isQuoted) isQuoted = character !== '"';
    else if (character === '(') depth++;
    else if (depth > 0) depth -= character === ')' ? 1 : 0;
    else if (character === '"') isQuoted = true;
    else plain += character;
  }
  return plain;
}
