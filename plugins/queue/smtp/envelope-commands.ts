/** MAIL and RCPT with what the hop understands of their parameters. RFC 5321 sections 4.1.1.2 and 4.1.1.3. */

import type { MailObject, Message, Recipient } from '../../../bindings/plugin/index.ts';
import type { HopExtensions } from './hop-options.ts';
import { encodeUnicodeAddress, encodeXtext } from '../../../bindings/wire/xtext.ts';

/** What of a mail object MAIL is made of. */
export interface MailFacts extends Pick<MailObject, 'reversePath' | 'mailOptions'> {
  readonly message: Pick<Message, 'octets' | 'hasEightBit'>;
}

const NON_ASCII = /[^\u0000-\u007f]/;

export const isAscii = (text: string): boolean => !NON_ASCII.test(text);

/** The line without its end. `isUtf8`: the mail object is internationalized mail for this hop. RFC 6531 section 3.4. */
export function mailCommand(mail: MailFacts, extensions: HopExtensions, isUtf8: boolean): string {
  const { reversePath, mailOptions, message } = mail;
  const words = [`MAIL FROM:${reversePath.toString()}`];
  if (extensions.has('SIZE')) words.push(`SIZE=${message.octets}`);
  if (mailOptions.body === 'binarymime') words.push('BODY=BINARYMIME');
  else if (extensions.has('8BITMIME') && (mailOptions.body === '8bitmime' || message.hasEightBit)) {
    words.push('BODY=8BITMIME');
  }
  if (isUtf8) words.push('SMTPUTF8');
  if (extensions.has('DSN')) {
    if (mailOptions.ret !== undefined) words.push(`RET=${mailOptions.ret.toUpperCase()}`);
    if (mailOptions.envid !== undefined) words.push(`ENVID=${encodeXtext(mailOptions.envid)}`);
  }
  if (mailOptions.requireTls && extensions.has('REQUIRETLS')) words.push('REQUIRETLS');
  return words.join(' ');
}

/** The line without its end. */
export function rcptCommand({ address, options }: Recipient, extensions: HopExtensions): string {
  const words = [`RCPT TO:${address.toString()}`];
  if (extensions.has('DSN') && options !== undefined) {
    const { notify, originalRecipient } = options;
    if (notify !== undefined) words.push(`NOTIFY=${notify.join(',').toUpperCase()}`);
    if (originalRecipient !== undefined) {
      const { type, address: original } = originalRecipient;
      const encode = type.toLowerCase() === 'utf-8' ? encodeUnicodeAddress : encodeXtext;
      words.push(`ORCPT=${type};${encode(original)}`);
    }
  }
  return words.join(' ');
}
