/** Names of the DNS as text. RFC 1035 section 3.1, RFC 4343. */

/** Octets of the longest name, without the final dot. RFC 1035 section 2.3.4. */
export const MAX_NAME = 253;

/** A name in the one form in which names are compared: in lower case, without the final dot. RFC 4343 section 3. */
export function plainName(name: string): string {
  // Letters of ASCII alone: the Kelvin sign would become a `k`, and a name that is none that of somebody else.
  const lower = /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name;
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/**
 * `9.2.0.192.in-addr.arpa`, `...8.b.d.0.1.0.0.2.ip6.arpa`, by an address's 4 or 16 octets. RFC 1035 section 3.5, RFC 3596
 * section 2.5.
 */
export const reverseName = (octets: readonly number[]): string =>
  `${reversedDigits(octets)}.${octets.length === 4 ? 'in-addr' : 'ip6'}.arpa`;

/** The part that lists of addresses have in front of their zone, too: `9.2.0.192`, and 32 nibbles for IPv6. RFC 5782 sections 2.1 and 2.4. */
export function reversedDigits(octets: readonly number[]): string {
  if (octets.length === 4) return [...octets].reverse().join('.');
  const digits = octets.map((octet) => octet.toString(16).padStart(2, '0')).join('');
  return [...digits].reverse().join('.');
}
