/** What the receivers of each format get, read by parsers that are not ours. */

import { isUtf8 } from 'node:buffer';
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DataFlag } from '../../bindings/core/contract.ts';
import type { MailObject } from '../../bindings/plugin/delivery.ts';
import type { WebhookOptions } from '../../plugins/queue/webhook/webhook-outlet.ts';
import { clock } from '../message/folder.ts';
import { MAIL, mailObject, secretsFile, webhookOutlet } from './web-mail.ts';
import { messageOf } from './transaction.ts';
import { webServer, type Seen } from './web-server.ts';

/** Delivers to a server that accepts everything, and returns the requests. */
async function sent(options: Partial<WebhookOptions>, what: MailObject = mailObject()): Promise<Seen[]> {
  const server = await webServer();
  const { outlet } = webhookOutlet(server.url, options, clock);
  const report = await outlet.deliver(what);
  expect(report.map(({ kind }) => kind)).toEqual(what.recipients.map(() => 'delivered'));
  for (const { headers, octets } of server.seen)
    expect(Number(headers['content-length'])).toBe(octets.length);
  return server.seen;
}

const form = async ({ headers, octets }: Seen): Promise<FormData> =>
  new Response(new Uint8Array(octets), { headers: { 'content-type': headers['content-type']! } }).formData();

const KEY = 'a signing key of some length';

describe('raw', () => {
  test('is the message, with envelope and client in fields', async () => {
    const [seen, ...others] = await sent({});
    expect(others).toEqual([]);
    expect(seen!.octets.toString()).toBe(MAIL);
    expect(seen!.headers).toMatchObject({
      'content-type': 'message/rfc822',
      'x-envelope-from': '<s@c.example>',
      'x-envelope-to': '<one@d.example>, <two+tag@d.example>',
      'x-client-ip': '192.0.2.7',
      'x-client-hello': 'hello.example',
      'x-transaction-id': 'abc-1',
    });
  });

  test('a path can not add a second one, nor a field', async () => {
    const [seen] = await sent({}, mailObject(MAIL, ['a>,<b\r\nX-Evil: 1@d.example', 'jörg@d.example']));
    expect(seen!.headers['x-evil']).toBeUndefined();
    const paths = String(seen!.headers['x-envelope-to']).split(', ');
    expect(paths).toHaveLength(2);
    expect(decodeURIComponent(paths[1]!)).toBe('<jörg@d.example>');
  });

  test('many recipients come in several requests, whose fields fit any server', async () => {
    const many = Array.from({ length: 25 }, (_, index) => `${'u'.repeat(60)}${index}@d.example`);
    const requests = await sent({}, mailObject(MAIL, many));
    expect(requests).toHaveLength(3);
    const paths = requests.flatMap(({ headers }) => String(headers['x-envelope-to']).split(', '));
    expect(paths.sort()).toEqual(many.map((mailbox) => `<${mailbox}>`).sort());
  });
});

test('action-mailbox has the envelope in fields on top of the message', async () => {
  const [seen] = await sent({ format: 'action-mailbox' });
  expect(seen!.headers['content-type']).toBe('message/rfc822');
  expect(seen!.octets.toString()).toBe(
    `Return-Path: <s@c.example>\r\nX-Original-To: one@d.example\r\nX-Original-To: two+tag@d.example\r\n${MAIL}`,
  );
  expect(await sent({ format: 'action-mailbox', per: 'recipient' })).toHaveLength(2);
});

test('mailgun is one signed form for each recipient', async () => {
  const requests = await sent({ format: 'mailgun', secrets: secretsFile(`signing_key=${KEY}`) });
  expect(requests).toHaveLength(2);
  const forms = await Promise.all(requests.map(form));
  expect(forms.map((fields) => fields.get('recipient')).sort()).toEqual([
    'one@d.example',
    'two+tag@d.example',
  ]);
  for (const fields of forms) {
    expect(fields.get('sender')).toBe('s@c.example');
    expect(fields.get('body-mime')).toBe(MAIL);
    const [timestamp, token] = [String(fields.get('timestamp')), String(fields.get('token'))];
    expect(timestamp).toBe('1795354336');
    expect(token).toMatch(/^[0-9a-f]{50}$/);
    expect(fields.get('signature')).toBe(
      createHmac('sha256', KEY)
        .update(timestamp + token)
        .digest('hex'),
    );
  }
  expect(forms[0]!.get('token')).not.toBe(forms[1]!.get('token'));
});

test('sendgrid is a form with the message and the envelope as JSON', async () => {
  const [seen, ...others] = await sent({ format: 'sendgrid' });
  expect(others).toEqual([]);
  const fields = await form(seen!);
  expect(fields.get('email')).toBe(MAIL);
  expect(JSON.parse(String(fields.get('envelope')))).toEqual({
    to: ['one@d.example', 'two+tag@d.example'],
    from: 's@c.example',
  });
  expect(fields.get('sender_ip')).toBe('192.0.2.7');
  expect(fields.get('subject')).toBe('a =?utf-8?q?caf=C3=A9?=');
});

test('a message that holds something like a boundary stays in its field', async () => {
  const forged = `${MAIL}--qpsmtpd-00\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n{"to":["root@d.example"]}\r\n`;
  const [seen] = await sent({ format: 'sendgrid' }, mailObject(forged));
  const fields = await form(seen!);
  expect(fields.get('email')).toBe(forged);
  expect(fields.getAll('envelope')).toHaveLength(1);
});

test('postmark is the message taken apart, and whole beside it', async () => {
  const mail = [
    'Message-ID: <m2@c.example>',
    'From: =?utf-8?q?J=C3=B6rg?= <s@c.example>',
    'To: Team: One <one@d.example>, two@d.example;',
    'Subject: =?utf-8?q?caf=C3=A9?=',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: multipart/alternative; boundary=c',
    '',
    '--c',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'caf=E9',
    '--c',
    'Content-Type: text/html; charset=utf-8',
    '',
    '<p>hello</p>',
    '--c--',
    '--b',
    'Content-Type: application/octet-stream; name="x.bin"',
    'Content-Disposition: attachment; filename="x.bin"',
    'Content-Transfer-Encoding: base64',
    '',
    'AAEC/w==',
    '--b--',
    '',
  ].join('\r\n');
  const requests = await sent({ format: 'postmark' }, mailObject(mail, ['two+tag@d.example']));
  expect(requests[0]!.headers['content-type']).toBe('application/json');
  const json = JSON.parse(requests[0]!.octets.toString()) as Record<string, unknown>;
  expect(json).toMatchObject({
    From: 's@c.example',
    FromName: 'Jörg',
    ToFull: [
      { Email: 'one@d.example', Name: 'One', MailboxHash: '' },
      { Email: 'two@d.example', Name: '', MailboxHash: '' },
    ],
    OriginalRecipient: 'two+tag@d.example',
    MailboxHash: 'tag',
    Subject: 'café',
    MessageID: 'm2@c.example',
    Attachments: [
      { Name: 'x.bin', Content: 'AAEC/w==', ContentType: 'application/octet-stream', ContentLength: 4 },
    ],
    RawEmail: mail,
  });
  expect(String(json['TextBody']).trim()).toBe('café');
  expect(String(json['HtmlBody']).trim()).toBe('<p>hello</p>');
  expect(json['Headers']).toContainEqual({ Name: 'Message-ID', Value: '<m2@c.example>' });
});

test('the hash of a mailbox is looked for once, however many `+` it has', async () => {
  const of = async (to: string): Promise<string> => {
    const [seen] = await sent(
      { format: 'postmark' },
      mailObject(`To: <${to}>\r\n\r\nx\r\n`, ['one@d.example']),
    );
    const { ToFull } = JSON.parse(seen!.octets.toString()) as { ToFull: { MailboxHash: string }[] };
    return ToFull[0]!.MailboxHash;
  };
  expect(await of('a+b+c@d.example')).toBe('b+c');
  expect(await of('a@d+e.example')).toBe('');
  // With a pattern that begins anew at each of them this takes minutes.
  expect(await of('+'.repeat(250_000))).toBe('');
});

describe('what proves where a request comes from', () => {
  const verify = ({ headers, octets }: Seen, key: Buffer): void => {
    const signed = Buffer.concat([
      Buffer.from(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.`),
      octets,
    ]);
    const digest = createHmac('sha256', key).update(signed).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${digest}`);
    expect(headers['webhook-timestamp']).toBe('1795354336');
  };

  test.each(['raw', 'action-mailbox', 'mailgun', 'sendgrid', 'postmark'] as const)(
    '%s is signed as Standard Webhooks says, with a key as text or in base64',
    async (format) => {
      const octets = Buffer.from('0123456789abcdef01234567');
      const inText = await sent({ format, secrets: secretsFile(`# key\nsigning_key = ${KEY}\n`) });
      for (const seen of inText) verify(seen, Buffer.from(KEY));
      const inBase64 = await sent({
        format,
        secrets: secretsFile(`signing_key=whsec_${octets.toString('base64')}`),
      });
      for (const seen of inBase64) verify(seen, octets);
    },
  );

  test('Basic authentication; and nothing of the kind without secrets', async () => {
    const [seen] = await sent({ secrets: secretsFile('username=actionmailbox\npassword=p: w=ö') });
    const [scheme, text] = String(seen!.headers.authorization).split(' ');
    expect(scheme).toBe('Basic');
    expect(Buffer.from(text!, 'base64').toString()).toBe('actionmailbox:p: w=ö');
    const [bare] = await sent({});
    expect(Object.keys(bare!.headers).filter((name) => /auth|webhook/.test(name))).toEqual([]);
  });

  test('a message keeps its key when it comes again, whatever trace fields it has', async () => {
    const key = async (what: MailObject): Promise<string> =>
      String((await sent({}, what))[0]!.headers['idempotency-key']);
    const first = await key(mailObject());
    expect(first).toMatch(/^"[0-9a-f]{40}"$/);
    expect(await key(mailObject(MAIL.replace('from client by mx', 'from other by mx2')))).toBe(first);
    expect(await key(mailObject(MAIL, ['two+tag@D.EXAMPLE', 'one@d.example']))).toBe(first);
    const others = [
      mailObject(MAIL.replace('m1@', 'm2@')),
      mailObject(`${MAIL}x`),
      mailObject(MAIL, ['one@d.example']),
      mailObject(MAIL, ['ONE@d.example', 'two+tag@d.example']),
    ];
    for (const other of others) expect(await key(other)).not.toBe(first);
  });
});

describe('octets that are no UTF-8', () => {
  /** One character an octet. */
  const octets = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1');
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  const MIXED = octets(
    'From: "J\xf6rg \x96 B\xfccher" <s@c.example>',
    `To: ${utf8('"Grüße" <one@d.example>')}`,
    'Cc: \x93Caf\xe9\x94 <two@d.example>',
    'Reply-To: Ren\xe9 <r@c.example>',
    'Subject: 5 \x80 f\xfcr \xc3\xa9',
    ' caf\xe9',
    `X-Utf8: ${utf8('für Žofie')}`,
    'X-Holes: \x81\x8d\x8f\x90\x9d',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'Gr\xfc\xdfe \x85',
    '--b',
    'Content-Type: text/html; charset=windows-1252',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    '<p>=80</p>',
    '--b',
    'Content-Type: application/octet-stream',
    'Content-Disposition: attachment; filename="Pr\xfcfung \x96 1.bin"',
    '',
    '\xff\xfe',
    '--b',
    'Content-Type: application/octet-stream',
    `Content-Disposition: attachment; filename="${utf8('Žofie')}.bin"`,
    '',
    'x',
    '--b',
    'Content-Type: application/octet-stream',
    "Content-Disposition: attachment; filename*=windows-1252''%80.bin",
    '',
    'x',
    '--b--',
    '',
  );
  const messageOfOctets = (content: Buffer): MailObject => ({
    ...mailObject(MAIL, ['one@d.example']),
    message: messageOf(content, DataFlag.EightBit),
  });

  test('keep their letters in JSON, field by field', async () => {
    const [seen] = await sent({ format: 'postmark' }, messageOfOctets(MIXED));
    const json = JSON.parse(seen!.octets.toString()) as Record<string, unknown>;
    expect(json).toMatchObject({
      FromName: 'Jörg – Bücher',
      To: '"Grüße" <one@d.example>',
      ToFull: [{ Name: 'Grüße', Email: 'one@d.example' }],
      Cc: '“Café” <two@d.example>',
      CcFull: [{ Name: '“Café”' }],
      ReplyTo: 'René <r@c.example>',
      Subject: '5 € für Ã© café',
    });
    expect(json['Headers']).toContainEqual({ Name: 'X-Utf8', Value: 'für Žofie' });
    expect(json['Headers']).toContainEqual({ Name: 'X-Holes', Value: '\u0081\u008d\u008f\u0090\u009d' });
    expect(String(json['TextBody'])).toContain('Grüße …');
    expect(String(json['HtmlBody'])).toContain('<p>€</p>');
    const names = (json['Attachments'] as { Name: string }[]).map(({ Name }) => Name);
    expect(names).toEqual(['Prüfung – 1.bin', 'Žofie.bin', '€.bin']);
    expect(seen!.octets.toString()).not.toContain('\ufffd');
  });

  test('come in RawEmail as base64, and the field beside it says so', async () => {
    const of = async (what: MailObject): Promise<Buffer> => {
      const [seen] = await sent({ format: 'postmark' }, what);
      const json = JSON.parse(seen!.octets.toString()) as Record<'RawEmail' | 'RawEmailEncoding', string>;
      expect(json.RawEmailEncoding).toBe(isUtf8(what === right ? octetsOfRight : MIXED) ? 'utf-8' : 'base64');
      return Buffer.from(json.RawEmail, json.RawEmailEncoding as BufferEncoding);
    };
    const octetsOfRight = Buffer.from('\ufeffSubject: für 日本\r\n\r\n\u0000ü\r\n');
    const right = messageOfOctets(octetsOfRight);
    expect((await of(right)).equals(octetsOfRight)).toBe(true);
    expect((await of(messageOfOctets(MIXED))).equals(MIXED)).toBe(true);
  });

  test.each(['mailgun', 'sendgrid'] as const)('keep their letters in the form of %s', async (format) => {
    const options = { format, secrets: secretsFile(`signing_key=${KEY}`) };
    const [seen] = await sent(options, messageOfOctets(MIXED));
    const fields = await form(seen!);
    expect(fields.get('from')).toBe('"Jörg – Bücher" <s@c.example>');
    expect(fields.get('subject')).toBe('5 € für Ã© café');
    expect(seen!.octets.includes(MIXED)).toBe(true);
  });

  test('of a charset that is named are what it says', async () => {
    const body = octets('Content-Type: text/plain; charset=utf-8', '', 'caf\xc3\xa9 \xe9 end');
    const [seen] = await sent({ format: 'postmark' }, messageOfOctets(body));
    const { TextBody } = JSON.parse(seen!.octets.toString()) as { TextBody: string };
    expect(TextBody.trim()).toBe('café \ufffd end');
  });
});
