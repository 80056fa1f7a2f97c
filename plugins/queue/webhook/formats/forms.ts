/** Formats whose body is a form, of the type multipart/form-data. RFC 7578. */

import { createHmac, randomBytes } from 'node:crypto';
import type { Message } from '../../../../bindings/plugin/index.ts';
import { pathText, type RequestBody, type Seal, type Share } from './request-body.ts';
import { withLetters } from './windows-1252.ts';

/** Octets of the random token, in hex 50 characters as Mailgun has them. */
const TOKEN_OCTETS = 25;

/**
 * A route of Mailgun whose URL ends in `mime`: a form with the message in `body-mime`. The signature is over timestamp and
 * token; receivers refuse old timestamps and tokens they have seen.
 */
export async function mailgunBody({ mail, recipients }: Share, { key, now }: Seal): Promise<RequestBody> {
  const timestamp = String(Math.floor(now / 1000));
  const token = randomBytes(TOKEN_OCTETS).toString('hex');
  const signature = createHmac('sha256', key ?? '')
    .update(timestamp + token)
    .digest('hex');
  const { header } = mail.message;
  return formOf([
    ['recipient', recipients.map(pathText).join(',')],
    ['sender', pathText({ address: mail.reversePath })],
    ['from', withLetters(header.get('From') ?? '')],
    ['subject', withLetters(header.get('Subject') ?? '')],
    ['body-mime', await messageValue(mail.message)],
    ['timestamp', timestamp],
    ['token', token],
    ['signature', signature],
  ]);
}

/**
 * SendGrid's Inbound Parse with "send raw": a form with the message in `email` and the envelope as JSON. What SendGrid
 * itself finds out of a message (SPF, dkim, spam_score) is left out: no value is better than a made-up one.
 */
export async function sendgridBody({ mail, recipients }: Share): Promise<RequestBody> {
  const { header } = mail.message;
  const envelope = { to: recipients.map(pathText), from: pathText({ address: mail.reversePath }) };
  const names = ['to', 'cc', 'from', 'subject'] as const;
  return formOf([
    ['email', await messageValue(mail.message)],
    ...names.map((name) => [name, withLetters(header.get(name) ?? '')] as const),
    ['envelope', JSON.stringify(envelope)],
    ['sender_ip', mail.client?.ip ?? ''],
    ['charsets', JSON.stringify(Object.fromEntries(names.map((name) => [name, 'UTF-8'])))],
  ]);
}

type FormField = readonly [name: string, value: string | MessageValue];

interface MessageValue {
  readonly message: Message;
  readonly isUtf8: boolean;
}

/** The message as the value of a field. Reads it once if it may not be UTF-8. */
async function messageValue(message: Message): Promise<MessageValue> {
  return { message, isUtf8: !message.hasEightBit || (await isUtf8(message)) };
}

async function isUtf8(message: Message): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const block of message.blocks('crlf')) decoder.decode(block, { stream: true });
    decoder.decode();
    return true;
  } catch (cause) {
    if (cause instanceof TypeError) return false;
    throw cause;
  }
}

/** Receivers refuse a form with octets that are no UTF-8, unless they are told what else they are. RFC 7578 section 5.1.2. */
const typeOf = (value: FormField[1]): string =>
  typeof value === 'string' || value.isUtf8 ? '' : 'Content-Type: text/plain; charset=iso-8859-1\r\n';

/**
 * A form of the fields, in their order. The boundary is random: a sender who could tell it would end the field with the
 * message early and add fields of its own (another recipient, say).
 */
function formOf(fields: readonly FormField[]): RequestBody {
  const boundary = `qpsmtpd-${randomBytes(24).toString('hex')}`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    async *blocks() {
      for (const [name, value] of fields) {
        yield Buffer.from(
          `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n${typeOf(value)}\r\n`,
        );
        if (typeof value === 'string') yield Buffer.from(value);
        else yield* value.message.blocks('crlf');
        yield Buffer.from('\r\n');
      }
      yield Buffer.from(`--${boundary}--\r\n`);
    },
  };
}
