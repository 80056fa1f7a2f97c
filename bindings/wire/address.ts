/** A reverse-path or forward-path as the session accepted it. RFC 5321 section 4.1.2. */

import { canonicalDomain, foldLocalPart, unicodeDomain } from './domain-name.ts';

/** A dot in front needs quotes: without them no parser, ours included, takes the address back. */
const PLAIN_LOCAL_PART = /^(?!\.)[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]*$/u;

export class Address {
  /** The null reverse-path `<>`. */
  static readonly null = new Address('', '');

  /** Without quotes and backslashes; `''` for the null reverse-path. */
  readonly localPart: string;
  /** As the client wrote it; `''` for the null reverse-path and the bare `<postmaster>`. */
  readonly domain: string;
  /** Undefined: not asked for yet. Null: there is none. */
  #canonical: string | null | undefined;

  constructor(localPart: string, domain: string) {
    this.localPart = localPart;
    this.domain = domain;
  }

  /** True for `<>`, the sender of bounces. */
  get isNull(): boolean {
    return this.localPart === '' && this.domain === '';
  }

  /** `localPart@domain` without brackets, as lists of addresses are written; `''` for the null reverse-path. */
  get mailbox(): string {
    return this.domain === '' ? this.localPart : `${this.localPart}@${this.domain}`;
  }

  /**
   * The domain as it is compared: lower case, A-labels, no root dot. `''` without a domain; undefined for one that has no
   * such form and matches nothing. Made once.
   */
  get canonicalDomain(): string | undefined {
    if (this.#canonical === undefined) this.#canonical = canonicalDomain(this.domain) ?? null;
    return this.#canonical ?? undefined;
  }

  /** One text for all spellings of the mailbox. Lists, which do not regard case, have it in lower case. */
  get canonicalMailbox(): string {
    const localPart = foldLocalPart(this.localPart);
    return this.domain === '' ? localPart : `${localPart}@${this.canonicalDomain ?? this.domain}`;
  }

  /** What patterns in lists are tried on: the mailbox in lower case, and once more with U-labels if its domain has any. */
  get patternSubjects(): readonly string[] {
    const mailbox = this.canonicalMailbox.toLowerCase();
    const { canonicalDomain: domain } = this;
    if (domain?.includes('xn--') !== true) return [mailbox];
    return [mailbox, mailbox.slice(0, -domain.length) + unicodeDomain(domain)];
  }

  /** With brackets; a local part that is no dot-string is quoted, each odd character after a backslash. */
  toString(): string {
    if (this.domain === '') return `<${this.localPart}>`;
    return `<${quoted(this.localPart)}@${this.domain}>`;
  }

  /** Same mailbox: domains compare without case, local parts with it. RFC 5321 section 2.4. */
  equals(other: Address): boolean {
    return this.canonicalMailbox === other.canonicalMailbox;
  }
}

function quoted(localPart: string): string {
  if (localPart !== '' && PLAIN_LOCAL_PART.test(localPart)) return localPart;
  const escaped = localPart.replace(/[^a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]/gu, '\\$&');
  return `"${escaped}"`;
}
