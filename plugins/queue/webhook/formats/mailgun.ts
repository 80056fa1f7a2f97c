import { createHmac, randomBytes } from 'node:crypto';
import { pathText, type RequestBody, type Seal, type Share } from './request-body.ts';
import { formOf, messageValue } from './form-data.ts';
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
