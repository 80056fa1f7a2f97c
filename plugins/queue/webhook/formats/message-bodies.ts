/** Formats whose body is the message itself. */

import { pathText, type RequestBody, type Share } from './request-body.ts';

/** The message itself, with envelope and client in header fields of the request. */
export function rawBody({ mail, recipients }: Share): RequestBody {
  const { client, reversePath, message, id } = mail;
  const headers: Record<string, string | readonly string[]> = {
    'X-Envelope-From': `<${encoded(pathText({ address: reversePath }))}>`,
    'X-Envelope-To': recipients.map((recipient) => `<${encoded(pathText(recipient))}>`),
    'X-Transaction-Id': encoded(id),
  };
  if (client !== undefined) {
    headers['X-Client-Ip'] = client.ip;
    if (client.host !== undefined) headers['X-Client-Host'] = encoded(client.host);
    if (client.helloHost !== undefined) headers['X-Client-Hello'] = encoded(client.helloHost);
    if (client.user !== undefined) headers['X-Client-User'] = encoded(client.user);
  }
  return { contentType: 'message/rfc822', headers, blocks: () => message.blocks('crlf') };
}

/**
 * Percent-encoded UTF-8 where it is no visible ASCII, and for what separates values: HTTP fields hold nothing else
 * (RFC 9110 section 5.5), and a client must not add a second path with a comma.
 */
const encoded = (text: string): string =>
  text.replace(/[^!-~]|[%,<>]/gu, (character) =>
    [...Buffer.from(character)]
      .map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );

/**
 * The relay ingress of Rails' Action Mailbox: the message itself. Envelope in fields on top, as mail servers hand mail to
 * programs: Action Mailbox routes by X-Original-To too, so that blind copies find their mailbox.
 */
export function actionMailboxBody({ mail, recipients }: Share): RequestBody {
  const fields = [
    `Return-Path: <${pathText({ address: mail.reversePath })}>`,
    ...recipients.map((recipient) => `X-Original-To: ${pathText(recipient)}`),
  ];
  const top = Buffer.from(fields.map((field) => `${field}\r\n`).join(''));
  return {
    contentType: 'message/rfc822',
    async *blocks() {
      yield top;
      yield* mail.message.blocks('crlf');
    },
  };
}
