/** Which Maildir a recipient's mail goes to. */

import { join } from 'node:path';
import type { Address } from '../../../bindings/plugin/index.ts';
import { unicodeDomain } from '../../../bindings/wire/domain-name.ts';

/** Octets of a file name that common file systems allow. */
const NAME_OCTETS = 255;

/** Characters qpsmtpd leaves as they are in a path; any other becomes `_`. */
const ODD = /[^-A-Za-z0-9+_.,@=]/u;
const ALL_ODD = new RegExp(ODD.source, 'gu');

/** Neither one of those nor a letter, mark or digit of another script. */
const ESCAPED = /[^-A-Za-z0-9+_.,@=\p{L}\p{M}\p{N}]/gu;

const CONTROL = /[\u0000-\u001f\u007f]/;

/** An envelope that can have no Maildir, whatever stands on the disk. */
export class NoMaildirError extends Error {
  override readonly name = 'NoMaildirError';
  readonly code = 'Q_DELIVERY';
}

/** How Maildirs are laid out, as a plugin's line says. */
export interface MaildirOptions {
  /** The Maildir itself, or the folder under which `subdirectory` names one per recipient. */
  readonly directory: string;
  /** Pattern with %l (local part), %d (domain), %u (mailbox); undefined: one Maildir for all recipients. */
  readonly subdirectory: string | undefined;
  /** Mode of new directories; files get the same bits without execution. */
  readonly mode: number;
  /** The local part is in lower case; the domain always is. */
  readonly isLowerCase?: boolean;
  /** The local part ends before the first of these for %l and %u: `user+lists` has the Maildir of `user`. RFC 5233. */
  readonly separator?: string | undefined;
  /** New folders are named as qpsmtpd does, with `_` for odd characters, where the name is not another address's already. */
  readonly isNamedAsBefore?: boolean;
}

/** Maildirs by a pattern. */
export type MaildirLayout = MaildirOptions & { readonly subdirectory: string };

/** How addresses become paths. */
type PathRules = Omit<MaildirLayout, 'mode'>;

/** Undefined without a pattern. */
export const layoutOf = (options: MaildirOptions): MaildirLayout | undefined =>
  options.subdirectory === undefined ? undefined : (options as MaildirLayout);

/** The folders an address may have its mail in. Which it is depends on what folders there are. */
export interface MaildirPaths {
  /** What the address is called in records: what of it counts, in canonical form. */
  readonly mailbox: string;
  /** The folder by the rules: letters stay, `%XX` is an octet of any other character. */
  readonly usual: string;
  /** A folder no other address can ever have: the usual one unless that may be qpsmtpd's name of another, as with `o_brien`. */
  readonly own: string;
  /** qpsmtpd's name, with `_` for any odd character: other addresses have the same. */
  readonly asBefore: string;
  /** Names under which qpsmtpd may have made a folder, where they are not the usual one. */
  readonly old: readonly string[];
}

/**
 * The Maildirs of `address` under the directory, after a pattern with %l (local part), %d (domain) and %u (mailbox). The
 * domain is in canonical form, the local part in NFC, its case as the client wrote it unless the layout says lower case.
 * Two mailboxes have the same `usual` or `own` path only if the pattern itself makes no difference between them.
 *
 * Refuses what could leave the directory, hide in it, or name no file (`RCPT TO:<../../etc@x>`): a path is never
 * repaired, because the repaired one may be another recipient's.
 *
 * The bare `<postmaster>` (RFC 5321 section 4.5.1) has no domain: a part of the path that consists of %d alone is then
 * left out.
 */
export function maildirsOf(layout: PathRules, address: Address): MaildirPaths {
  const { directory, subdirectory: pattern } = layout;
  const refuse = (problem: string): never => {
    throw new NoMaildirError(`no Maildir for ${JSON.stringify(address.mailbox)}: ${problem}`);
  };
  const user = checkPart(userOf(address.localPart, layout), 'local part', refuse);
  if (address.domain !== '') checkPart(address.domain, 'domain', refuse);
  const domain = address.canonicalDomain ?? refuse('there can be no such domain');
  const pathOf = (l: string, d: string): string => {
    const names = namesOf(pattern, { l, d, u: `${l}@${d}` }, refuse);
    if (names.length === 0) refuse(`nothing is left of the pattern ${pattern}`);
    if (names.includes('.') || names.includes('..'))
      refuse(`the pattern ${pattern} leads out of ${directory}`);
    return join(directory, ...names);
  };
  const usual = pathOf(escaped(user), escapedDomain(domain));
  const mailbox = domain === '' ? user : `${user}@${domain}`;
  const counted = (/%[lu]/.test(pattern) ? user : '') + (/%[du]/.test(pattern) ? domain : '');
  const isOdd = ODD.test(counted);
  // The path of nearly all mail, which costs no call to the system.
  if (!isOdd && !counted.includes('_') && !counted.includes('xn--'))
    return { mailbox, usual, own: usual, asBefore: usual, old: [] };
  const asBefore = pathOf(withUnderscores(user), withUnderscores(domain));
  const old = new Set([asBefore, pathOf(withUnderscores(user), withUnderscores(unicodeDomain(domain)))]);
  old.delete(usual);
  const isShared = !isOdd && counted.includes('_');
  const own = isShared ? pathOf(escapedMore(escaped(user)), escapedMore(escapedDomain(domain))) : usual;
  return { mailbox, usual, own, asBefore, old: [...old] };
}

/**
 * Why an address can have no Maildir under the pattern; undefined if it can, or if there is no pattern. Addresses are
 * written by clients: `<../../etc@x>` must not lead out of the directory.
 */
export function problemWith(address: Address, options: MaildirOptions): string | undefined {
  const layout = layoutOf(options);
  if (layout === undefined) return undefined;
  try {
    maildirsOf(layout, address);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function namesOf(
  pattern: string,
  values: Readonly<Record<'l' | 'd' | 'u', string>>,
  refuse: (problem: string) => never,
): readonly string[] {
  const names = pattern
    .split('/')
    .map((part) => part.replace(/%([ldu])/g, (_, letter: 'l' | 'd' | 'u') => values[letter]))
    .filter((name) => name !== '');
  if (names.some((name) => Buffer.byteLength(name) > NAME_OCTETS))
    refuse(`a name of more than ${NAME_OCTETS} octets`);
  return names;
}

/** The local part up to the separator; all of it if it begins with one, as nobody is called nothing. */
function userOf(localPart: string, { separator, isLowerCase = false }: PathRules): string {
  const end = separator === undefined ? -1 : localPart.indexOf(separator);
  const user = end > 0 ? localPart.slice(0, end) : localPart;
  // Once more, because a small letter may compose where its capital does not.
  return isLowerCase ? user.normalize('NFC').toLowerCase().normalize('NFC') : user.normalize('NFC');
}

function checkPart(text: string, what: string, refuse: (problem: string) => never): string {
  if (text === '') return refuse(`its ${what} is empty`);
  if (text.startsWith('.')) return refuse(`its ${what} begins with a dot`);
  if (text.includes('..')) return refuse(`its ${what} contains ..`);
  if (text.includes('/')) return refuse(`its ${what} contains a slash`);
  if (CONTROL.test(text)) return refuse(`its ${what} contains a control character`);
  // Half a character has no octets of its own: all of them would become the same ones.
  if (/\p{Cs}/u.test(text)) return refuse(`its ${what} is no text`);
  return text;
}

const hex = (character: string): string =>
  [...Buffer.from(character)]
    .map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');

const escaped = (text: string): string => text.replace(ESCAPED, hex);

/** Also what is left alone elsewhere: then it can stand between a local part and a domain in one name. */
const escapedDomain = (text: string): string => text.replace(/[^-A-Za-z0-9_.]/gu, hex);

const escapedMore = (name: string): string => name.replaceAll('_', '%5F');

const withUnderscores = (text: string): string => text.replace(ALL_ODD, '_');

/** What stands between %l and %d in one name and cannot be a part of the domain. */
const DIVIDER = /[@=+,]/;

/**
 * Why two mailboxes can have one path under a pattern that names both parts of an address, such as `%l-%d`: `a-b@c` and
 * `a@b-c`; undefined if they cannot.
 */
export function ambiguityOf(pattern: string): string | undefined {
  const parts = pattern.split('/').map((part) => part.replaceAll('%u', '%l@%d'));
  const standsAlone = parts.some(
    (part) => /%[ld]/.test(part) && !(part.includes('%l') && part.includes('%d')),
  );
  if (standsAlone || !parts.some((part) => part.includes('%l') && part.includes('%d'))) return undefined;
  const isDivided = parts.some((part) => {
    const between = /^[^%]*(?:%l([^%]*)%d|%d([^%]*)%l)[^%]*$/.exec(part);
    return between !== null && DIVIDER.test(between[1] ?? between[2]!);
  });
  return isDivided
    ? undefined
    : `under ${pattern} two addresses can have one Maildir: part %l and %d by / or @`;
}
