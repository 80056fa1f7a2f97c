/**
 * Sender Rewriting Scheme: reverse-paths in the name of a forwarder that lead back to the sender. A next hop that looks for the
 * forwarder in the SPF record of the sender's domain (RFC 7208) does not find it; with the forwarder's own domain it does.
 *
 * `SRS0=HASH=TT=HOST=USER` stands for USER@HOST. What has such a form already becomes `SRS1=HASH=HOST=REST`: REST is what the
 * first forwarder, at HOST, had after `SRS0`, and a bounce goes to it at once, however many forwarders there were.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Address, type CompiledList, type Setup } from '../../bindings/plugin/index.ts';
import { canonicalDomain, isHostName } from '../../bindings/wire/domain-name.ts';

const DAY_MS = 86_400_000;
/** Two digits of five bits each count the days. */
const CYCLE_DAYS = 1_024;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Shorter ones can be guessed, and somebody with the key can have this host send bounces to anybody. */
const MIN_KEY_LENGTH = 16;

export interface SrsTerms {
  /** The first signs, all verify. At least one. */
  readonly keys: readonly string[];
  /** Letters of the hash; an address with fewer is not ours. */
  readonly hashLength: number;
  readonly nowMs: number;
}

/** The reverse-path as a forwarder of the name `domain` hands it on. */
export function rewrite({ localPart, domain: host }: Address, domain: string, terms: SrsTerms): Address {
  const sign = (...parts: readonly string[]): string => hash(terms.keys[0]!, terms.hashLength, parts);
  const rewritten = /^SRS0([-+=].*)$/is.exec(localPart)?.[1];
  if (rewritten !== undefined)
    return new Address(`SRS1=${sign(host, rewritten)}=${host}=${rewritten}`, domain);
  const [, first, rest] = /^SRS1[-+=][^=]*=([^=]+)=(.+)$/is.exec(localPart) ?? [];
  if (first !== undefined && rest !== undefined)
    return new Address(`SRS1=${sign(first, rest)}=${first}=${rest}`, domain);
  const stamp = stampOf(terms.nowMs);
  return new Address(`SRS0=${sign(stamp, host, localPart)}=${stamp}=${host}=${localPart}`, domain);
}

/** `form`: it cannot have been made by `rewrite`. `hash`: by none of the keys. */
export type SrsProblem = 'form' | 'hash' | 'expired';

/** True for local parts that claim to be made by a forwarder. */
export const isSrs = (localPart: string): boolean => /^SRS[01][-+=]/i.test(localPart);

/** The address a local part of ours leads back to. `lifeDays`: how long after it was made. */
export function reverse(localPart: string, lifeDays: number, terms: SrsTerms): Address | SrsProblem {
  const [, kind, given = '', ...parts] =
    /^(SRS0)[-+=]([^=]*)=([^=]*)=([^=]+)=(.+)$/is.exec(localPart) ??
    /^(SRS1)[-+=]([^=]*)=([^=]+)=([-+=].+)$/is.exec(localPart) ??
    [];
  if (kind === undefined) return 'form';
  if (!isSigned(given, parts, terms)) return 'hash';
  if (kind.toUpperCase() === 'SRS1') return new Address(`SRS0${parts[1]!}`, parts[0]!);
  const [stamp = '', host = '', user = ''] = parts;
  const age = ageDays(stamp, terms.nowMs);
  // Hosts that share the keys may not agree about midnight.
  if (age === undefined || (age > lifeDays && age !== CYCLE_DAYS - 1)) return 'expired';
  return new Address(user, host);
}

/**
 * Mailers may change the case of a local part on the way, so neither what is hashed nor the hash itself knows it. All keys are
 * tried, in time that does not tell how much of a hash was right: a forger could find it letter by letter.
 */
function isSigned(given: string, parts: readonly string[], { keys, hashLength }: SrsTerms): boolean {
  if (given.length < hashLength) return false;
  const claimed = Buffer.from(given.toLowerCase());
  let isKnown = false;
  for (const key of keys) {
    const made = Buffer.from(hash(key, given.length, parts).toLowerCase());
    if (made.length === claimed.length && timingSafeEqual(made, claimed)) isKnown = true;
  }
  return isKnown;
}

function hash(key: string, length: number, parts: readonly string[]): string {
  const hmac = createHmac('sha1', key);
  for (const part of parts) hmac.update(part.toLowerCase());
  return hmac.digest('base64').slice(0, length);
}

function stampOf(nowMs: number): string {
  const day = Math.floor(nowMs / DAY_MS) % CYCLE_DAYS;
  return DIGITS[day >> 5]! + DIGITS[day & 31]!;
}

/** 0 to 1,023; undefined for what is no stamp. */
function ageDays(stamp: string, nowMs: number): number | undefined {
  if (!/^[A-Z2-7]{2}$/i.test(stamp)) return undefined;
  const [high = 0, low = 0] = [...stamp.toUpperCase()].map((digit) => DIGITS.indexOf(digit));
  const today = Math.floor(nowMs / DAY_MS) % CYCLE_DAYS;
  return (today - ((high << 5) | low) + CYCLE_DAYS) % CYCLE_DAYS;
}

/** What both plugins read: the keys, and the domains that addresses are made in. */
export interface SrsFiles {
  readonly keys: CompiledList<readonly string[]>;
  /** In canonical form; the first stands in new addresses, all are taken back. */
  readonly domains: CompiledList<readonly string[]>;
}

/** Throws, with the remedy, what keeps addresses from being made. */
export function readSrsFiles({ config, log, services }: Setup<unknown>): SrsFiles {
  const keys = config.list('srs_keys', (lines) => {
    if (lines.length === 0)
      throw new Error('srs_keys has no key: write one a line, such as `openssl rand -base64 24` prints');
    const short = lines.findIndex((key) => key.length < MIN_KEY_LENGTH);
    if (short >= 0)
      throw new Error(
        `key ${short + 1} of srs_keys is too short: it takes ${MIN_KEY_LENGTH} characters, such as \`openssl rand -base64 24\` prints`,
      );
    return lines;
  });
  const domains = config.list('srs_domains', (lines) =>
    (lines.length === 0 ? [config.me] : lines).map((line) => {
      const domain = canonicalDomain(line);
      if (domain === undefined || !isHostName(domain))
        throw new Error(`\`${line}\` is no name that a domain can have`);
      return domain;
    }),
  );
  const { file } = config.placeOf('srs_keys');
  const warning = services.files.openKeyWarning(file);
  if (warning !== undefined) log.warn(warning);
  return { keys, domains };
}
