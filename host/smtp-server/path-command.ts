/** The argument of MAIL and RCPT as smtp-server reads it: `FROM:<address> KEY=value`. */

import { domainToUnicode } from 'node:url';
import ipaddr from 'ipaddr.js';
import { isIPv4, isIPv6 } from '../../bindings/wire/ip-address.ts';
import { hasControls } from './replies.ts';
import type { SMTPServerAddress, SMTPServerAddressArgs } from './types.ts';

export interface PathCommand {
  readonly path: SMTPServerAddress;
  /** A parameter that stands there twice. */
  readonly repeated: string | undefined;
}

export interface PathForm {
  /** `MAIL FROM` or `RCPT TO`. */
  readonly name: 'MAIL FROM' | 'RCPT TO';
  readonly isLenient: boolean;
}

/** Characters that nobody sees, besides control characters: addresses that look alike would differ. */
const UNSEEN = /[\u200b\u2060\ufeff]/;
/** RFC 5321 section 4.5.3.1.3, without the angle brackets. */
const MAX_ADDRESS = 253;
const SOURCE_ROUTE = /^@[^\s,:@]+(?:,@[^\s,:@]+)*:/;
const DOMAIN = /^[A-Za-z0-9\u0080-\uffff.-]+$/;

/** Undefined if the line is not of this form. */
export function parsePathCommand(line: string, form: PathForm): PathCommand | undefined {
  const colon = line.indexOf(':');
  const command = (colon < 0 ? line : line.slice(0, colon)).trim().toUpperCase();
  if (command !== form.name) return undefined;
  const [first = '', ...rest] = (colon < 0 ? '' : line.slice(colon + 1)).trim().split(/\s+/);
  if (!/^<[^<>]*>$/.test(first)) return undefined;
  const address = readAddress(first.slice(1, -1).replace(SOURCE_ROUTE, ''), form);
  const parameters = readParameters(rest);
  if (address === undefined || parameters === undefined) return undefined;
  return { path: { address, args: parameters.args }, repeated: parameters.repeated };
}

/** Undefined if a value holds control characters, which xtext can smuggle in. */
function readParameters(
  words: readonly string[],
): { readonly args: SMTPServerAddressArgs | false; readonly repeated: string | undefined } | undefined {
  // Without a prototype: a client may name a parameter after anything.
  const args = Object.create(null) as SMTPServerAddressArgs;
  let repeated: string | undefined;
  for (const word of words) {
    const equals = word.indexOf('=');
    const key = (equals < 0 ? word : word.slice(0, equals)).toUpperCase();
    if (key === '') continue;
    const value = equals < 0 ? '' : decodeXtext(word.slice(equals + 1));
    if (hasControls(value)) return undefined;
    if (key in args) repeated = key;
    args[key] = value === '' ? true : value;
  }
  return { args: Object.keys(args).length === 0 ? false : { ...args }, repeated };
}

/** RFC 3461 section 4. What is no escape stays as it is. */
export const decodeXtext = (text: string): string =>
  text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

function readAddress(address: string, { name, isLenient }: PathForm): string | undefined {
  if (address === '') return '';
  if (hasControls(address) || UNSEEN.test(address)) return undefined;
  // RFC 5321 section 4.1.1.3.
  if (name === 'RCPT TO' && address.toLowerCase() === 'postmaster') return address;
  const [local = '', domain = '', ...more] = address.split('@');
  if (local === '' || domain === '' || more.length > 0) return undefined;
  if (isLenient) return `${local}@${domainInUnicode(domain) ?? domain}`;
  if (address.length > MAX_ADDRESS) return undefined;
  if (hasStrayDot(local)) return undefined;
  const read = domain.startsWith('[') && domain.endsWith(']') ? readLiteral(domain) : readDomain(domain);
  return read === undefined ? undefined : `${local}@${read}`;
}

const hasStrayDot = (text: string): boolean =>
  text.startsWith('.') || text.endsWith('.') || text.includes('..');

function readDomain(domain: string): string | undefined {
  if (hasStrayDot(domain) || /\.-|-\./.test(domain) || !DOMAIN.test(domain)) return undefined;
  return domainInUnicode(domain);
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]`. */
function readLiteral(domain: string): string | undefined {
  const inner = domain.slice(1, -1);
  if (isIPv4(inner)) return domain;
  const address = /^IPv6:(.*)$/i.exec(inner)?.[1] ?? '';
  return isIPv6(address) && !address.includes('%') ? `[IPv6:${shortIPv6(address)}]` : undefined;
}

export const shortIPv6 = (address: string): string => ipaddr.parse(address).toString();

/** Labels in punycode as what they stand for, all others as they are; undefined for one that stands for nothing. */
function domainInUnicode(domain: string): string | undefined {
  const labels = domain
    .split('.')
    .map((label) => (/^xn--/i.test(label) ? domainToUnicode(label.toLowerCase()) : label));
  const isKnown = labels.every((label, index) => label !== '' || domain.split('.')[index] === '');
  return isKnown ? labels.join('.') : undefined;
}
