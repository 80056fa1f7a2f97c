/** A reverse-path or forward-path as the session accepted it. RFC 5321 section 4.1.2. */

/** A dot in front needs quotes: without them no parser, ours included, takes the address back. */
const PLAIN_LOCAL_PART = /^(?!\.)[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]*$/u;

export class Address {
  /** The null reverse-path `<>`. */
  static readonly null = new Address('', '');

  /** Without quotes and backslashes; `''` for the null reverse-path. */
  readonly localPart: string;
  /** As the client wrote it; `''` for the null reverse-path and the bare `<postmaster>`. */
  readonly domain: string;

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

  /** With brackets; a local part that is no dot-string is quoted, each odd character behind a backslash. */
  toString(): string {
    if (this.domain === '') return `<${this.localPart}>`;
    return `<${quoted(this.localPart)}@${this.domain}>`;
  }

  /** Same mailbox: domains compare without case, local parts exactly. RFC 5321 section 2.4. */
  equals(other: Address): boolean {
    return this.localPart === other.localPart && this.domain.toLowerCase() === other.domain.toLowerCase();
  }
}

function quoted(localPart: string): string {
  if (localPart !== '' && PLAIN_LOCAL_PART.test(localPart)) return localPart;
  const escaped = localPart.replace(/[^a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]/gu, '\\$&');
  return `"${escaped}"`;
}
