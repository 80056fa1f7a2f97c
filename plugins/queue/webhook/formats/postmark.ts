/** Postmark's inbound webhook: the message taken apart, as JSON. */

import { isUtf8 } from 'node:buffer';
import type { Address as Mailbox, Attachment, Email } from 'postal-mime';
import { pathText, type RequestBody, type Seal, type Share } from './request-body.ts';
import { withLetters } from './windows-1252.ts';

/** Rejects as the reader of MIME does. */
export async function postmarkBody(share: Share, { mime, signal }: Seal): Promise<RequestBody> {
  const blocks: Buffer[] = [];
  for await (const block of share.mail.message.blocks('crlf')) blocks.push(block);
  const raw = Buffer.concat(blocks);
  const email = await mime.read(raw, signal);
  const octets = Buffer.from(JSON.stringify({ ...describe(share, email), ...rawEmail(raw) }));
  return { contentType: 'application/json', blocks: () => [octets] };
}

/**
 * The message octet by octet. JSON holds text alone, so what is no UTF-8 comes in base64, and a field of ours, which Postmark
 * does not have, says so.
 */
function rawEmail(raw: Buffer): { RawEmail: string; RawEmailEncoding: 'utf-8' | 'base64' } {
  const encoding = isUtf8(raw) ? 'utf-8' : 'base64';
  return { RawEmail: raw.toString(encoding), RawEmailEncoding: encoding };
}

function describe({ mail, recipients }: Share, email: Email): object {
  const recipient = recipients[0]!;
  const from = mailboxes(email.from === undefined ? [] : [email.from])[0];
  const { header } = mail.message;
  const valueOf = (name: string): string => withLetters(header.get(name) ?? '');
  return {
    FromName: from?.Name ?? '',
    MessageStream: 'inbound',
    From: from?.Email ?? '',
    FromFull: from ?? NOBODY,
    To: valueOf('To'),
    ToFull: mailboxes(email.to),
    Cc: valueOf('Cc'),
    CcFull: mailboxes(email.cc),
    Bcc: valueOf('Bcc'),
    BccFull: mailboxes(email.bcc),
    OriginalRecipient: pathText(recipient),
    Subject: email.subject ?? '',
    MessageID: (email.messageId ?? '').replace(/^<|>$/g, ''),
    ReplyTo: valueOf('Reply-To'),
    MailboxHash: hashOf(pathText(recipient)),
    Date: valueOf('Date'),
    TextBody: email.text ?? '',
    HtmlBody: email.html ?? '',
    StrippedTextReply: '',
    Tag: '',
    Headers: email.headers.map(({ originalKey, value }) => ({ Name: originalKey, Value: value })),
    Attachments: email.attachments.map(attachment),
  };
}

const NOBODY = { Email: '', Name: '', MailboxHash: '' };

const mailboxes = (addresses: readonly Mailbox[] | undefined): (typeof NOBODY)[] =>
  (addresses ?? [])
    .flatMap((address) => address.group ?? [address])
    .map(({ address = '', name }) => ({ Email: address, Name: name, MailboxHash: hashOf(address) }));

/**
 * What stands between the first `+` that an `@` comes after and that `@`. Looked for from the `+`, not by a pattern: an address of
 * many `+` and no `@` in a header would have it look through the rest for each.
 */
function hashOf(mailbox: string): string {
  const plus = mailbox.indexOf('+');
  const at = plus < 0 ? -1 : mailbox.indexOf('@', plus);
  return at < 0 ? '' : mailbox.slice(plus + 1, at);
}

function attachment({ filename, mimeType, contentId, content }: Attachment): object {
  const text = typeof content === 'string' ? content : '';
  return {
    Name: filename ?? '',
    Content: text,
    ContentType: mimeType,
    ContentLength: Buffer.byteLength(text, 'base64'),
    ...(contentId === undefined ? {} : { ContentID: contentId.replace(/^<|>$/g, '') }),
  };
}
