/** Messages by rule: a header such as mail has, and lines of text. */

const LINE = 'Of all the ways to spend an afternoon, reading the mail of strangers ranks low.';
const COLUMNS = 76;
/** What the fields below take together; smaller messages have only some of them. */
const FIELDS = [
  'Received: from mail.example.com (mail.example.com [192.0.2.25])\r\n\tby relay.example.com with ESMTPS; Mon, 02 Mar 2026 10:11:12 +0000',
  'From: John Doe <john.doe@example.com>',
  'To: Jane Roe <jane.roe@example.test>',
  'Subject: The minutes of the meeting',
  'Date: Mon, 02 Mar 2026 11:11:12 +0100',
  'Message-ID: <20260302111112.4711@mail.example.com>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
] as const;
const PAD_FIELD = 'X-Padding: a field that is here to make the header longer than it need be, no more';

/** A message of exactly `octets` (at least 600), of which about `headerOctets` are header; no line begins with a dot. */
export function makeMessage(octets: number, headerOctets = 0): Buffer {
  const fields: string[] = [...FIELDS];
  let header = fields.reduce((sum, field) => sum + field.length + 2, 2);
  while (header + PAD_FIELD.length + 2 <= headerOctets) {
    fields.push(PAD_FIELD);
    header += PAD_FIELD.length + 2;
  }
  const message = Buffer.alloc(Math.max(octets, header + 2), `${LINE.slice(0, COLUMNS)}\r\n`, 'latin1');
  message.write(`${fields.join('\r\n')}\r\n\r\n`, 0, 'latin1');
  // The text begins anywhere in its line; what must be right is its end, without a CR that lost its LF.
  message.write('--\r\n', message.length - 4, 'latin1');
  if (message[message.length - 5] === 0x0d) message[message.length - 5] = 0x2d;
  return message;
}

/** The content as DATA sends it: nothing to stuff here, so only the end of data is added. */
export const withEndOfData = (message: Buffer): Buffer => Buffer.concat([message, Buffer.from('.\r\n')]);
