/** Postmark's inbound webhook: the message taken apart, as JSON. */

import type { Address as Mailbox, Attachment, Email } from 'postal-mime';
import { pathText, type RequestBody, type Share } from '../request-body.ts';
import { readMime } from './mime-reader.ts';

/** Rejects as `readMime` does. */
export async function postmarkBody(share: Share): Promise<RequestBody> {
  const blocks: Buffer[] = [];
  for await (const block of share.parcel.message.blocks('crlf')) blocks.push(block);
  const raw = Buffer.concat(blocks);
  const email = await readMime(raw);
  const octets = Buffer.from(JSON.stringify({ ...describe(share, email), RawEmail: raw.toString('utf8') }));
  return { contentType: 'application/json', blocks: () => [octets] };
}

function describe({ parcel, recipients }: Share, email: Email): object {
  const recipient = recipients[0]!;
  const from = mailboxes(email.from === undefined ? [] : [email.from])[0];
  const { header } = parcel.message;
  return {
    FromName: from?.Name ?? '',
    MessageStream: 'inbound',
    From: from?.Email ?? '',
    FromFull: from ?? NOBODY,
    To: header.get('To') ?? '',
    ToFull: mailboxes(email.to),
    Cc: header.get('Cc') ?? '',
    CcFull: mailboxes(email.cc),
    Bcc: header.get('Bcc') ?? '',
    BccFull: mailboxes(email.bcc),
    OriginalRecipient: pathText(recipient),
    Subject: email.subject ?? '',
    MessageID: (email.messageId ?? '').replace(/^<|>$/g, ''),
    ReplyTo: header.get('Reply-To') ?? '',
    MailboxHash: hashOf(pathText(recipient)),
    Date: header.get('Date') ?? '',
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
