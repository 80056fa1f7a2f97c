/** Hosts as they stand in text, and the names and addresses they mean. */

import { canonicalIpAddress } from '../../bindings/lists/index.ts';
import { MAX_NAME } from '../../bindings/wire/dns-name.ts';
import { canonicalDomain, type HostNamePlace } from '../../bindings/wire/index.ts';

export type UrlHost =
  { readonly kind: 'name'; readonly name: string } | { readonly kind: 'address'; readonly address: string };

const NUMBERS = /^(?:0x[\da-f]*|\d+)(?:\.(?:0x[\da-f]*|\d+)){0,3}$/;
/** What ends a name in text: signs, and letters of scripts that are written without blanks between words. */
const NOT_IN_NAME =
  /[^\p{L}\p{M}\p{N}\p{Cf}._-]+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/u;
const HIGH = /[\x80-\xff]/;
const LABELS = /^(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}$/;

/**
 * What may be meant by `found`, one character an octet, without `%XX`. More than one thing where readers differ about where a name
 * ends among letters beyond ASCII. `isName`: it ends in a public suffix.
 */
export function urlHosts(
  found: string,
  place: HostNamePlace,
  isName: (name: string) => boolean,
): readonly UrlHost[] {
  if (place === 'literal') return literal(found);
  const lower = found.toLowerCase();
  if (place === 'url' && NUMBERS.test(lower)) return number(lower);
  if (!HIGH.test(found)) return name(lower);
  const text = Buffer.from(found, 'latin1').toString();
  const whole = place === 'piece' ? [] : name(canonicalDomain(text) ?? '');
  if (place === 'url' && whole.some((host) => host.kind === 'name' && isName(host.name))) return whole;
  const parts = text.split(NOT_IN_NAME).filter((part) => part.includes('.'));
  return [...whole, ...parts.flatMap((part) => name(canonicalDomain(part) ?? ''))];
}

function literal(text: string): readonly UrlHost[] {
  const address = canonicalIpAddress(text.toLowerCase());
  return address === undefined ? [] : [{ kind: 'address', address }];
}

/** Browsers take 1 to 4 numbers, each decimal, octal or hexadecimal. WHATWG URL, "IPv4 parser". */
function number(text: string): readonly UrlHost[] {
  const parts = text.split('.').map(valueOf);
  const last = parts.pop()!;
  if (!(last < 256 ** (4 - parts.length)) || parts.some((part) => !(part < 256))) return [];
  const whole = parts.reduce((sum, part, index) => sum + part * 256 ** (3 - index), last);
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(whole / 2 ** shift) % 256);
  return [{ kind: 'address', address: octets.join('.') }];
}

/** NaN for an octal number with digits it does not have. */
function valueOf(text: string): number {
  if (text.startsWith('0x')) return text === '0x' ? 0 : Number(text);
  if (!/^0\d/.test(text)) return Number(text);
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : NaN;
}

function name(text: string): readonly UrlHost[] {
  const trimmed = text.replace(/^-+|[-_]+$/g, '');
  return trimmed.length <= MAX_NAME && LABELS.test(trimmed) ? [{ kind: 'name', name: trimmed }] : [];
}
