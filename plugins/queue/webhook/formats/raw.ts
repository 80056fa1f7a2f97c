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
