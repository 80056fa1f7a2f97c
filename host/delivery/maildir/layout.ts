/** Which Maildir a recipient's mail goes to. */

import { join } from 'node:path';
import type { Address } from '../../../bindings/plugin/address.ts';
import type { MaildirDelivery } from '../../../bindings/plugin/services.ts';
import { QpsmtpdError } from '../../errors.ts';

/** Octets of a file name that common file systems allow. */
const NAME_OCTETS = 255;

/** Characters qpsmtpd leaves as they are in a path; any other becomes `_`. */
const ODD = /[^-A-Za-z0-9+_.,@=]/gu;

const CONTROL = /[\u0000-\u001f\u007f]/;

/** How addresses become paths. */
export type MaildirLayout = Pick<MaildirDelivery, 'directory' | 'isLowerCase' | 'separator'> & {
  readonly subdirectory: string;
};

/**
 * The Maildir of `address` under the directory, after a pattern with %l (local part), %d (domain) and %u (mailbox), case
 * as the client wrote it unless the layout says lower case. Refuses what could leave the directory, hide in it, or name no file
 * (`RCPT TO:<../../etc@x>`): a path is never repaired, because the repaired one may be another recipient's.
 *
 * The bare `<postmaster>` (RFC 5321 section 4.5.1) has no domain: a part of the path that consists of %d alone is then
 * left out.
 */
export function maildirOf(layout: MaildirLayout, address: Address): string {
  const { directory, subdirectory: pattern } = layout;
  const refuse = (problem: string): never => {
    throw new QpsmtpdError('Q_DELIVERY', `no Maildir for ${JSON.stringify(address.mailbox)}: ${problem}`);
  };
  const localPart = checkPart(userOf(address.localPart, layout), 'local part', refuse);
  const domain = address.domain === '' ? '' : checkPart(foldCase(address.domain, layout), 'domain', refuse);
  const values: Readonly<Record<string, string>> = { l: localPart, d: domain, u: `${localPart}@${domain}` };
  const names: string[] = [];
  for (const part of pattern.split('/')) {
    const name = part.replace(/%([ldu])/g, (_, letter: string) => values[letter]!);
    if (name === '') continue;
    if (name === '.' || name === '..') refuse(`the pattern ${pattern} leads out of ${directory}`);
    if (Buffer.byteLength(name) > NAME_OCTETS) refuse(`a name of more than ${NAME_OCTETS} octets`);
    names.push(name);
  }
  if (names.length === 0) refuse(`nothing is left of the pattern ${pattern}`);
  return join(directory, ...names);
}

const foldCase = (text: string, { isLowerCase = false }: MaildirLayout): string =>
  isLowerCase ? text.toLowerCase() : text;

/** The local part up to the separator; all of it if it begins with one, as nobody is called nothing. */
function userOf(localPart: string, layout: MaildirLayout): string {
  const { separator } = layout;
  const end = separator === undefined ? -1 : localPart.indexOf(separator);
  return foldCase(end > 0 ? localPart.slice(0, end) : localPart, layout);
}

function checkPart(text: string, what: string, refuse: (problem: string) => never): string {
  if (text === '') return refuse(`its ${what} is empty`);
  if (text.startsWith('.')) return refuse(`its ${what} begins with a dot`);
  if (text.includes('..')) return refuse(`its ${what} contains ..`);
  if (text.includes('/')) return refuse(`its ${what} contains a slash`);
  if (CONTROL.test(text)) return refuse(`its ${what} contains a control character`);
  return text.replace(ODD, '_');
}
