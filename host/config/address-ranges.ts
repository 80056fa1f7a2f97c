/** Lists of IP addresses and ranges, compiled once and asked often. RFC 4632 section 3.1, RFC 4291 section 2.3. */

import ipaddr from 'ipaddr.js';
import { isIP } from '../../bindings/wire/ip-address.ts';

/** Stands for clients on a Unix socket of this host, which have no address. */
const UNIX = 'unix';

/** One range: the octets of its first address and how many of their bits count. */
interface Range {
  readonly octets: readonly number[];
  readonly bits: number;
}

/** Bits in front of the IPv4 address in `::ffff:192.0.2.1`. RFC 4291 section 2.5.5.2. */
const MAPPED_BITS = 96;

export class AddressRanges {
  readonly #ranges: readonly Range[];
  /** The list has the word `unix`. */
  readonly hasUnix: boolean;
  /** The lines, with commas between them. */
  readonly text: string;

  private constructor(ranges: readonly Range[], lines: readonly string[]) {
    this.#ranges = ranges;
    this.hasUnix = lines.includes(UNIX);
    this.text = lines.join(',');
  }

  /** Compiles the lines of a file; throws an Error that says which of them is no address. */
  static compile(lines: readonly string[]): AddressRanges {
    const addresses = lines.filter((line) => line !== UNIX);
    return new AddressRanges(addresses.map(compileRange), lines);
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0 && !this.hasUnix;
  }

  /** True if a range holds the address; false for anything that is no address. */
  has(address: string): boolean {
    if (this.#ranges.length === 0 || isIP(address) === 0) return false;
    const octets = ipaddr.process(address).toByteArray();
    return this.#ranges.some((range) => isWithin(octets, range));
  }
}

/** The empty list. */
export const NO_RANGES: AddressRanges = AddressRanges.compile([]);

function compileRange(line: string): Range {
  const [address = '', length, ...more] = line.split('/');
  // The library takes `010.1` and `0x7f000001` for addresses, in forms that others read differently.
  if (isIP(address) === 0 || address.includes('%') || more.length > 0) throw notAnAddress(line);
  const parsed = ipaddr.parse(address);
  const octets = parsed.toByteArray();
  const bits = length === undefined ? octets.length * 8 : readLength(line, length, octets.length * 8);
  const isMapped = parsed.kind() === 'ipv6' && (parsed as ipaddr.IPv6).isIPv4MappedAddress();
  // Clients are known by their IPv4 address, however the socket was opened.
  if (isMapped && bits >= MAPPED_BITS) return { octets: octets.slice(12), bits: bits - MAPPED_BITS };
  return { octets, bits };
}

function readLength(line: string, text: string, max: number): number {
  const bits = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  if (!(bits <= max)) throw notAnAddress(line);
  return bits;
}

const notAnAddress = (line: string): Error =>
  new Error(`'${line}' is neither an IP address nor a range such as 192.0.2.0/24, nor the word ${UNIX}`);

function isWithin(octets: readonly number[], range: Range): boolean {
  if (octets.length !== range.octets.length) return false;
  const whole = range.bits >> 3;
  for (let index = 0; index < whole; index++) if (octets[index] !== range.octets[index]) return false;
  const rest = 8 - (range.bits & 7);
  return rest === 8 || octets[whole]! >> rest === range.octets[whole]! >> rest;
}
