/**
 * The one form in which names of domains are compared: lower case, A-labels, no root dot. It is made where an address
 * or a configured name is read; what goes to others keeps the spelling it came in. RFC 5321 section 2.4, RFC 5890
 * section 2.3.2.1.
 *
 * Names beyond ASCII are mapped as for a question to the DNS (UTS 46, not transitional): capitals and decomposed letters
 * to small and composed ones, `ＡＢＣ。example` to `abc.example`; `faß.example` is not `fass.example`. That is right for lists,
 * which are typed by hand. Clients may not have us map anything but ASCII capitals, so in addresses the stricter grammar
 * of MAIL and RCPT refuses the rest.
 *
 * The letters in an A-label. RFC 3492.
 */

import ipaddr from 'ipaddr.js';
import { MAX_NAME } from './dns-name.ts';

const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;
const SKEW = 38;
const DAMP = 700;
const FIRST_BIAS = 72;
const FIRST_CODE = 128;
const MAX_CODE = 0x10_ffff;

/** The text of `encoded`, which is an A-label in lower case without `xn--`; undefined if it is not of that form. Section 6.2. */
export function decodePunycode(encoded: string): string | undefined {
  const delimiter = encoded.lastIndexOf('-');
  const codes = [...encoded.slice(0, Math.max(delimiter, 0))].map((letter) => letter.codePointAt(0)!);
  let [code, bias, place] = [FIRST_CODE, FIRST_BIAS, 0];
  for (let at = delimiter + 1; at < encoded.length;) {
    const before = place;
    for (let [weight, k] = [1, BASE]; ; k += BASE) {
      const digit = digitOf(encoded.charCodeAt(at++));
      // NaN after the end of the text, too.
      if (!(digit < BASE)) return undefined;
      place += digit * weight;
      if (place > Number.MAX_SAFE_INTEGER) return undefined;
      const threshold = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      if (digit < threshold) break;
      weight *= BASE - threshold;
    }
    const count = codes.length + 1;
    bias = adapt(place - before, count, before === 0);
    code += Math.floor(place / count);
    place %= count;
    if (code > MAX_CODE) return undefined;
    codes.splice(place++, 0, code);
  }
  return String.fromCodePoint(...codes);
}

/** `a` to `z` are 0 to 25, `0` to `9` are 26 to 35. */
function digitOf(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return unit - 0x61;
  return unit >= 0x30 && unit <= 0x39 ? unit - 0x30 + 26 : NaN;
}

/** Section 6.1. */
function adapt(delta: number, count: number, isFirst: boolean): number {
  let rest = Math.floor(delta / (isFirst ? DAMP : 2));
  rest += Math.floor(rest / count);
  let k = 0;
  for (; rest > ((BASE - T_MIN) * T_MAX) / 2; k += BASE) rest = Math.floor(rest / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * rest) / (rest + SKEW));
}

/** RFC 5321 section 4.5.3.1.2, and RFC 1035 section 2.3.4 for labels. */
const MAX_DOMAIN = 255;
const MAX_LABEL = 63;

const NOT_CANONICAL = /[^a-z0-9._-]/;
const NOT_ASCII = /[^\u0000-\u007f]/;
/** ASCII that a URL would not take for a part of its host as it stands. */
const NOT_IN_NAME = /[\u0000-\u002c\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u007f]/;

/**
 * The canonical form; undefined for a name beyond ASCII without A-form and for one over 255 octets: no domain has it,
 * and it is never looked up. `''` stays. An address literal counts as one whatever way its IPv6 address is written.
 */
export function canonicalDomain(name: string): string | undefined {
  if (name.length > MAX_DOMAIN) return undefined;
  const whole = name.endsWith('.') ? name.slice(0, -1) : name;
  // The usual case: nothing is to be done, and nothing is made.
  if (!NOT_CANONICAL.test(whole)) return isRooted(whole, name) ? undefined : whole;
  if (whole.startsWith('[')) return canonicalLiteral(whole);
  const canonical = NOT_ASCII.test(whole) ? toAscii(whole) : whole.toLowerCase();
  return canonical === undefined || isRooted(canonical, name) ? undefined : canonical;
}

/** True where the dot at the end was not the only one: after the root there is nothing. */
const isRooted = (whole: string, name: string): boolean =>
  whole.endsWith('.') || (whole === '' && name !== '');

function canonicalLiteral(literal: string): string {
  const lower = literal.toLowerCase();
  const address = /^\[ipv6:([0-9a-f:.]+)\]$/.exec(lower)?.[1];
  return address !== undefined && ipaddr.IPv6.isValid(address)
    ? `[ipv6:${ipaddr.IPv6.parse(address).toString()}]`
    : lower;
}

/** URL knows UTS 46, where `node:url` is not to be had. It also knows ports, escapes and numbers, which are no names. */
function toAscii(name: string): string | undefined {
  if (NOT_IN_NAME.test(name)) return undefined;
  const ascii = hostOf(`http://${name}/`);
  // `１２７.1` has become an address.
  if (ascii === '' || ascii.length > MAX_DOMAIN || /(?:^|\.)\d+$/.test(ascii)) return undefined;
  return ascii.split('.').every((label) => label !== '' && label.length <= MAX_LABEL) ? ascii : undefined;
}

/** `''` for what is no URL. Not by `URL.canParse`: in Node 20, once optimised, it is wrong about Latin-1 such as `ü`. */
function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return '';
  }
}

/**
 * A canonical name with U-labels in place of its A-labels, for what was written or made before names had one form. What
 * only looks like an A-label stays.
 */
export function unicodeDomain(canonical: string): string {
  if (!canonical.includes('xn--')) return canonical;
  return canonical.split('.').map(unicodeLabel).join('.');
}

function unicodeLabel(label: string): string {
  const decoded = label.startsWith('xn--') ? decodePunycode(label.slice('xn--'.length)) : undefined;
  return decoded !== undefined && canonicalDomain(decoded) === label ? decoded : label;
}

/**
 * An entry of a list as `Address.canonicalMailbox` in lower case is compared with it: `user@host`, `@host`, `host`, or
 * `.host` for what is below it. Undefined if the name in it has no canonical form: it can match nothing.
 */
export function canonicalEntry(entry: string): string | undefined {
  const start = entry.lastIndexOf('@') + 1;
  const below = entry[start] === '.' ? '.' : '';
  const domain = canonicalDomain(entry.slice(start + below.length));
  if (domain === undefined) return undefined;
  return `${foldLocalPart(entry.slice(0, start)).toLowerCase()}${below}${domain}`;
}

/** Composed and decomposed letters are the same ones. RFC 6532 section 3.1. */
export const foldLocalPart = (text: string): string => (NOT_ASCII.test(text) ? text.normalize('NFC') : text);

/**
 * A name as it may stand in the banner, in EHLO replies and in Received fields: printable ASCII without blanks (RFC 5321
 * section 4.1.2 wants a domain or an address literal; what it names is not checked here). U-labels become A-labels, which
 * every client understands. Undefined for what can be no name.
 */
export function hostNameOf(text: string): string | undefined {
  const name = /[^\u0000-\u007f]/.test(text) ? canonicalDomain(text) : text;
  return name !== undefined && /^[!-~]{1,255}$/.test(name) ? name : undefined;
}

/**
 * True for the name of a host: labels of letters, digits, `-` and `_`, the last of them no number (RFC 1123 section 2.1), without
 * the final dot. The DNS itself knows no such rule: what is read from it may hold any octets, or an address where a name belongs.
 */
export const isHostName = (name: string): boolean =>
  name.length <= MAX_NAME && /^[\w-]{1,63}(?:\.[\w-]{1,63})*$/.test(name) && !/(?:^|\.)\d+$/.test(name);
