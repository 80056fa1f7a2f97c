import { pathText, type RequestBody, type Share } from './request-body.ts';
import { formOf, messageValue } from './form-data.ts';
import { withLetters } from './windows-1252.ts';

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
