/** What a hop offers in its reply to EHLO, and MAIL and RCPT with what it understands. RFC 5321 section 4.1.1. */

import type { HopReply, MailObject, Message, Recipient } from '../../../bindings/plugin/index.ts';
import { encodeUnicodeAddress, encodeXtext } from '../../../bindings/wire/xtext.ts';
import type { HopExtensions } from './hop-options.ts';

const LINE = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+(.*))?$/;

export const NO_EXTENSIONS: HopExtensions = new Map();

/** What a reply to EHLO offers: each line but the first is one extension. RFC 5321 section 4.1.1.1. */
export function extensionsOf({ lines }: HopReply): HopExtensions {
  const extensions = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const [, keyword, parameters = ''] = LINE.exec(line) ?? [];
    if (keyword === undefined) continue;
    const name = keyword.toUpperCase();
    // `AUTH=LOGIN` of old servers stands beside `AUTH PLAIN`.
    const before = extensions.get(name);
    extensions.set(name, before === undefined ? parameters.trim() : `${before} ${parameters.trim()}`);
  }
  return extensions;
}

/** The largest message the hop takes, in octets; undefined if it does not say. RFC 1870 section 4. */
export function sizeLimitOf(extensions: HopExtensions): number | undefined {
  const limit = extensions.get('SIZE');
  // 0 stands for no fixed limit.
  return limit !== undefined && /^\d{1,15}$/.test(limit) && Number(limit) > 0 ? Number(limit) : undefined;
}

/** What of a mail object MAIL is made of. */
export interface MailFacts extends Pick<MailObject, 'reversePath' | 'mailOptions'> {
  readonly message: Pick<Message, 'octets' | 'hasEightBit'>;
}

const NON_ASCII = /[^\u0000-\u007f]/;

export const isAscii = (text: string): boolean => !NON_ASCII.test(text);

/** The line without its end. `isUtf8`: the mail object is internationalized mail for this hop. RFC 6531 section 3.4. */
export function mailCommand(mail: MailFacts, extensions: HopExtensions, isUtf8: boolean): string {
  const { reversePath, mailOptions, message } = mail;
  const parts = [`MAIL FROM:${reversePath.toString()}`];
  if (extensions.has('SIZE')) parts.push(`SIZE=${message.octets}`);
  if (mailOptions.body === 'binarymime') parts.push('BODY=BINARYMIME');
  else if (extensions.has('8BITMIME') && (mailOptions.body === '8bitmime' || message.hasEightBit)) {
    parts.push('BODY=8BITMIME');
  }
  if (isUtf8) parts.push('SMTPUTF8');
  if (extensions.has('DSN')) {
    if (mailOptions.ret !== undefined) parts.push(`RET=${mailOptions.ret.toUpperCase()}`);
    if (mailOptions.envid !== undefined) parts.push(`ENVID=${encodeXtext(mailOptions.envid)}`);
  }
  if (mailOptions.requireTls && extensions.has('REQUIRETLS')) parts.push('REQUIRETLS');
  return parts.join(' ');
}

/** The line without its end. */
export function rcptCommand({ address, options }: Recipient, extensions: HopExtensions): string {
  const parts = [`RCPT TO:${address.toString()}`];
  if (extensions.has('DSN') && options !== undefined) {
    const { notify, originalRecipient } = options;
    if (notify !== undefined) parts.push(`NOTIFY=${notify.join(',').toUpperCase()}`);
    if (originalRecipient !== undefined) {
      const { type, address: original } = originalRecipient;
      const encode = type.toLowerCase() === 'utf-8' ? encodeUnicodeAddress : encodeXtext;
      parts.push(`ORCPT=${type};${encode(original)}`);
    }
  }
  return parts.join(' ');
}
