/**
 * Lists of client addresses as relayclients and whitelisthosts keep them, one entry a line: an address, a network
 * (`192.0.2.0/24`, `2001:db8::/32`), or the beginning of an address up to a separator (`192.0.2.`, `2001:db8:`).
 * IPv6 may also be cut off at any digit of its long form (`2001:0db8:00`).
 *
 * IP addresses as numbers in decimal digits: the keys of qpsmtpd's databases.
 */

import ipaddr from 'ipaddr.js';

export interface ClientRangesOptions {
  /** Take `192.0.2` for `192.0.2.`, too. */
  readonly takesOpenPrefixes?: boolean;
  /** Gets a warning for each entry that is none of the forms and is left out. */
  readonly log: { warn(text: string): void };
}

/** First and last address of a range, as numbers of 32 or 128 bits. */
type Span = readonly [first: bigint, last: bigint];

type Family = 4 | 6;
const BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** Ranges that neither touch nor overlap, in order. */
export class ClientRanges {
  readonly #spans: Readonly<Record<Family, readonly Span[]>>;

  constructor(lines: readonly string[], options: ClientRangesOptions) {
    const spans: Record<Family, Span[]> = { 4: [], 6: [] };
    for (const line of lines) {
      const entry = line.trim();
      const found = readEntry(entry, options.takesOpenPrefixes === true);
      if (found !== undefined) spans[found.family].push(found.span);
      else if (entry !== '') {
        options.log.warn(
          `entry \`${entry}\` matches nothing: write an address, a network such as 192.0.2.0/24, or 192.0.2.`,
        );
      }
    }
    this.#spans = { 4: merged(spans[4]), 6: merged(spans[6]) };
  }

  get isEmpty(): boolean {
    return this.#spans[4].length === 0 && this.#spans[6].length === 0;
  }

  /** True if the list has the address, first and last of each network included. False for what is no address. */
  has(address: string): boolean {
    const found = readAddress(address);
    if (found === undefined) return false;
    const spans = this.#spans[found.family];
    let low = 0;
    let high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle]![0] <= found.value) low = middle + 1;
      else high = middle;
    }
    return low > 0 && spans[low - 1]![1] >= found.value;
  }
}

/** True for an IPv4 or IPv6 address in its usual forms; `010.1.2.3`, `1` and `fe80::1%eth0` are none. */
export const isIpAddress = (text: string): boolean => readAddress(text) !== undefined;

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` in place of a domain. RFC 5321 section 4.1.3. */
export function isAddressLiteral(domain: string): boolean {
  const inside = /^\[(?:IPv6:)?([^\]]*)\]$/i.exec(domain)?.[1];
  return inside !== undefined && isIpAddress(inside);
}

/** The octets of an address, 4 or 16; undefined for what is none. */
export function addressOctets(address: string): readonly number[] | undefined {
  // Every list that a client is looked up in wants them.
  if (IPV4.test(address)) return address.split('.').map(Number);
  return address.includes(':') && !address.includes('%') && ipaddr.IPv6.isValid(address)
    ? ipaddr.process(address).toByteArray()
    : undefined;
}

/** An address as RFC 5952 has it, `::ffff:192.0.2.1` as the IPv4 address it is; undefined for what is none. */
export const canonicalIpAddress = (address: string): string | undefined =>
  readAddress(address) === undefined ? undefined : ipaddr.process(address).toString();

/** True for the loopback addresses of both families. */
export const isLoopback = (address: string): boolean => LOOPBACK.has(address);

/** Networks of this machine, and those that no machine is reached by. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'loopback',
  'unspecified',
  'multicast',
  'broadcast',
  'linkLocal',
  'reserved',
]);

/**
 * False for addresses of this machine, for those of no machine at all, and for what is no address. The owner of a domain decides
 * where its names lead: to `127.0.0.1`, they would have us speak to services that trust everybody on this host (server-side
 * request forgery). Private networks (RFC 1918) are fine: sites route their own mail there.
 */
export const isReachable = (address: string): boolean =>
  readAddress(address) !== undefined && !UNREACHABLE.has(ipaddr.process(address).range());

/** True for addresses of the internet alone: no private network, and none of those kept for something else. RFC 6890. */
export const isPublic = (address: string): boolean =>
  readAddress(address) !== undefined && ipaddr.process(address).range() === 'unicast';

/** True if both addresses are of one family and agree in their first bits (`v4Bits` or `v6Bits`). */
export function shareNetwork(one: string, other: string, v4Bits: number, v6Bits: number): boolean {
  const [a, b] = [readAddress(one), readAddress(other)];
  if (a === undefined || b === undefined || a.family !== b.family) return false;
  const rest = BigInt(BITS[a.family] - (a.family === 4 ? v4Bits : v6Bits));
  return a.value >> rest === b.value >> rest;
}

/**
 * The keys under which a list by name may have the address: itself, then every beginning of it, longest first.
 * `192.0.2.3`, `192.0.2.`, `192.0.`, `192.`; for IPv6 the short and the long form and the long one cut at each digit.
 */
export function prefixKeys(address: string): readonly string[] {
  const found = readAddress(address);
  if (found === undefined) return [];
  const groups = ipaddr
    .process(address)
    .toNormalizedString()
    .split(found.family === 4 ? '.' : ':');
  const beginnings = (parts: readonly string[], separator: string): string[] =>
    parts.map(
      (_, index) => parts.slice(0, parts.length - index).join(separator) + (index === 0 ? '' : separator),
    );
  if (found.family === 4) return beginnings(groups, '.');
  const long = groups.map((group) => group.padStart(4, '0'));
  const cut = long.flatMap((group, index) =>
    [1, 2, 3, 4].map((digits) => [...long.slice(0, index), group.slice(0, digits)].join(':')),
  );
  return [
    ...new Set([
      address.toLowerCase(),
      ...cut.reverse(),
      ...beginnings(groups, ':'),
      ...beginnings(long, ':'),
    ]),
  ];
}

interface Located {
  readonly family: Family;
  readonly value: bigint;
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const IPV4_PREFIX = new RegExp(`^${OCTET}(?:\\.${OCTET}){0,2}(\\.?)$`);
const IPV6_PREFIX = /^[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}:$/i;
/** The long form, all groups but the last with their leading zeros. */
const IPV6_DIGITS = /^(?:[0-9a-f]{4}:){1,7}[0-9a-f]{1,4}$/i;

/** An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) counts as IPv4: so are clients known. RFC 4291 section 2.5.5.2. */
function readAddress(text: string): Located | undefined {
  const octets = addressOctets(text);
  return octets && { family: octets.length === 4 ? 4 : 6, value: valueOf(octets) };
}

const valueOf = (octets: readonly number[]): bigint =>
  octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);

function readEntry(entry: string, isOpen: boolean): { family: Family; span: Span } | undefined {
  const [address = '', length, ...more] = entry.split('/');
  if (more.length > 0) return undefined;
  const found = readAddress(address);
  if (length !== undefined) return found === undefined ? undefined : networkOf(address, found, length);
  if (found !== undefined) return { family: found.family, span: [found.value, found.value] };
  return readPrefix(entry, isOpen);
}

function networkOf(
  text: string,
  { family, value }: Located,
  length: string,
): { family: Family; span: Span } | undefined {
  // The length of a mapped address counts the 96 bits in front of it.
  const isMapped = family === 4 && text.includes(':');
  const bits = /^\d{1,3}$/.test(length) ? Number(length) - (isMapped ? 96 : 0) : -1;
  if (bits < 0 || bits > BITS[family]) return undefined;
  return { family, span: spanOf(value >> BigInt(BITS[family] - bits), family, bits) };
}

function readPrefix(entry: string, isOpen: boolean): { family: Family; span: Span } | undefined {
  const dots = IPV4_PREFIX.exec(entry);
  if (dots !== null && (dots[1] === '.' || isOpen)) {
    const octets = entry.replace(/\.$/, '').split('.').map(Number);
    return { family: 4, span: spanOf(valueOf(octets), 4, octets.length * 8) };
  }
  const digits = IPV6_PREFIX.test(entry)
    ? entry
        .slice(0, -1)
        .split(':')
        .map((group) => group.padStart(4, '0'))
        .join('')
    : IPV6_DIGITS.test(entry)
      ? entry.replaceAll(':', '')
      : undefined;
  if (digits === undefined) return undefined;
  return { family: 6, span: spanOf(BigInt(`0x${digits}`), 6, digits.length * 4) };
}

/** All addresses that begin with these `bits` bits. */
function spanOf(leading: bigint, family: Family, bits: number): Span {
  const rest = BigInt(BITS[family] - bits);
  return [leading << rest, (leading << rest) | ((1n << rest) - 1n)];
}

function merged(spans: readonly Span[]): readonly Span[] {
  const sorted = [...spans].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const result: Span[] = [];
  for (const span of sorted) {
    const last = result.at(-1);
    if (last === undefined || span[0] > last[1] + 1n) result.push(span);
    else if (span[1] > last[1]) result[result.length - 1] = [last[0], span[1]];
  }
  return result;
}

const LOOPBACK = new ClientRanges(['127.', '::1'], { log: { warn: () => undefined } });

/** Undefined for what is no address. `::ffff:192.0.2.1` counts as IPv4; IPv6 addresses below 2 ** 32 look like IPv4 ones. */
export function addressNumber(address: string): string | undefined {
  if (!isIpAddress(address)) return undefined;
  const octets = ipaddr.process(address).toByteArray();
  if (octets.length === 4) return String(octets.reduce((sum, octet) => sum * 256 + octet, 0));
  return String(octets.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n));
}

/** The address behind a number of `addressNumber`; undefined for anything else. */
export function addressOfNumber(digits: string): string | undefined {
  if (!/^\d{1,39}$/.test(digits)) return undefined;
  let rest = BigInt(digits);
  if (rest >> 128n !== 0n) return undefined;
  const octets = new Array<number>(rest >> 32n === 0n ? 4 : 16).fill(0);
  for (let index = octets.length - 1; index >= 0; index--, rest >>= 8n) octets[index] = Number(rest & 255n);
  return ipaddr.fromByteArray(octets).toString();
}
