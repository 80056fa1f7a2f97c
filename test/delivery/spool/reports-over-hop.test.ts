/** Reports on their way over hops that have nothing to offer: what nobody can be told any more must not be lost. */

import { describe, expect, it } from 'vitest';
import { DataFlag } from '../../../bindings/core/contract.ts';
import type { Message } from '../../../bindings/plugin/index.ts';
import type { MailOptions } from '../../../bindings/plugin/connection.ts';
import { StoredMessage } from '../../../host/message/stored-message.ts';
import { core } from '../../message/core.ts';
import { hopWith, outlet } from '../hop-closers.ts';
import type { HopSide, Script } from '../scripted-hop.ts';
import { givenSpool, MINUTE, mailWith } from './given-spool.ts';

/** As the core describes it when it comes in. */
function received(text: string): Message {
  const octets = Buffer.from(text);
  const message = new StoredMessage(core, { sizeThreshold: Infinity, spool: undefined });
  message.content.append(octets);
  const isEightBit = octets.some((octet) => octet > 0x7f);
  const longest = Math.max(...text.split('\r\n').map((line) => Buffer.byteLength(line)));
  void message.complete(isEightBit ? DataFlag.EightBit : 0, longest);
  return message;
}

interface Sent {
  readonly text: string;
  readonly to?: string;
  readonly options?: Partial<MailOptions>;
  readonly script?: Script;
}

/** What a hop without any extension, but those of `script`, gets to read of a message that it refuses. */
async function reported({ text, to = 'a@x.example', options = {}, script = {} }: Sent) {
  const hop = await hopWith({ offers: [], ...script });
  const given = givenSpool({ outlet: outlet([hop]) });
  await given.spool.deliver({ ...mailWith({ to: [to], options }), message: received(text) });
  for (let turn = 0; turn < 3; turn++) await given.spool.work();
  const report = hop.contents.join('');
  return { report, lines: hop.lines, log: given.log.join('\n') };
}

/** The parts of a report: what stands above each, and what its encoding makes of it. */
function partsOf(report: string): { readonly head: string; readonly body: string }[] {
  const boundary = /boundary="([^"]+)"/.exec(report)![1]!;
  const [, ...parts] = report.split(`--${boundary}\r\n`);
  return parts.map((part) => {
    const [head = '', ...rest] = part.replace(`\r\n--${boundary}--\r\n`, '').split('\r\n\r\n');
    const body = rest.join('\r\n\r\n').replace(/\r\n$/, '');
    return { head, body: head.includes('quoted-printable') ? unquoted(body) : body };
  });
}

const unquoted = (text: string): string =>
  Buffer.from(
    text
      .replace(/=\r\n/g, '')
      .replace(/=([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    'latin1',
  ).toString('utf8');

const EIGHT_BIT = 'Subject: Grüße\r\nX-One: 1\r\n\r\nschöne Grüße\r\n';
const refusing: Script = {
  says: { RCPT: (argument) => (argument.includes('a@x') ? '550 5.1.1 no such user' : '250 ok') },
};

describe('a report over a hop without extensions', () => {
  it.each([[{}], [{ ret: 'hdrs' }], [{ ret: 'full' }]] as const)(
    'tells of an 8-bit message under %j in seven bits',
    async (options) => {
      const { report, lines, log } = await reported({
        text: EIGHT_BIT,
        options: { ...options, body: '8bitmime' },
      });
      expect(log).toContain('5.6.3');
      expect(lines).toContain('MAIL FROM:<>');
      expect(lines).toContain('RCPT TO:<s@c.example>');
      expect(report).toMatch(/^[\r\n\t -~]+$/);
      const [notification, status, original] = partsOf(report);
      expect(notification!.body).toContain('<a@x.example>');
      expect(status!.head).toContain('Content-Type: message/delivery-status\r\n');
      expect(status!.head).toContain('Content-Transfer-Encoding: 7bit');
      // A part of the type message/rfc822 may not be encoded (RFC 2046 section 5.2.1): the header has to do.
      expect(original!.head).toContain('Content-Type: text/rfc822-headers\r\n');
      expect(original!.body).toContain('Subject: Grüße\r\nX-One: 1');
      expect(original!.body).not.toContain('schöne');
    },
  );

  it('tells of a recipient in UTF-8, spelt out where programs read', async () => {
    const { report, lines, log } = await reported({
      text: EIGHT_BIT,
      to: 'jörg@ö.example',
      options: { isUtf8: true, body: '8bitmime' },
    });
    expect(log).toContain('5.6.7');
    expect(lines).toContain('RCPT TO:<s@c.example>');
    expect(report).toMatch(/^[\r\n\t -~]+$/);
    const [notification, status, original] = partsOf(report);
    expect(notification!.head).toContain('text/plain; charset=utf-8');
    expect(notification!.body).toContain('<jörg@ö.example>');
    expect(status!.head).toContain('Content-Type: message/delivery-status\r\n');
    expect(status!.body).toContain('Final-Recipient: utf-8; j\\x{F6}rg@\\x{F6}.example\r\n');
    expect(original!.head).toContain('Content-Type: message/global-headers\r\n');
    expect(original!.head).toContain('Content-Transfer-Encoding: quoted-printable');
    expect(original!.body).toContain('Subject: Grüße');
  });

  it('has all of a message in seven bits where it is asked for', async () => {
    const text = 'Subject: one\r\n\r\nthe body\r\n';
    const { report } = await reported({ text, options: { ret: 'full' }, script: refusing });
    const original = partsOf(report)[2]!;
    expect(original.head).toContain('Content-Type: message/rfc822\r\n');
    expect(original.body).toContain('the body');
  });

  it.each([
    ['a line of 1200 octets', `Subject: one\r\n\r\n${'x'.repeat(1_200)}\r\n`],
    ['a line of 1200 octets in its header', `Subject: ${'x'.repeat(1_200)}\r\n\r\nthe body\r\n`],
    ['a NUL', 'Subject: one\r\n\r\nthe \u0000 body\r\n'],
    ['a bare line feed', 'Subject: one\r\n\r\nthe\nbody\r\n'],
  ])('has no more than the header of a message with %s', async (_, text) => {
    const { report } = await reported({ text, options: { ret: 'full' }, script: refusing });
    const original = partsOf(report)[2]!;
    expect(original.head).toContain('Content-Type: text/rfc822-headers\r\n');
    expect(original.body).toMatch(/^Subject: (one|x{1200})/);
    for (const line of report.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
    expect(report).not.toContain('\u0000');
  });

  it.each([
    ['552 5.3.4 message too big'],
    ['552 too big'],
    ['554 5.6.1 media not supported'],
    ['550 5.2.3 too long for this mailbox'],
  ])('does not carry along what the hop has refused with %s', async (reply) => {
    const text = 'Subject: one\r\n\r\nthe body\r\n';
    const END = (_: string, { received: { content } }: HopSide): string =>
      content.includes('multipart/report') ? '250 ok' : reply;
    const { report } = await reported({ text, options: { ret: 'full' }, script: { says: { END } } });
    const original = partsOf(report)[2]!;
    expect(original.head).toContain('Content-Type: text/rfc822-headers\r\n');
    expect(original.body).not.toContain('the body');
  });

  it('keeps its lines short whatever ORCPT says', async () => {
    const hop = await hopWith({ offers: [], ...refusing });
    const given = givenSpool({ outlet: outlet([hop]) });
    const mail = mailWith({ to: ['a@x.example'] });
    const originalRecipient = { type: 'utf-8', address: `${'ä'.repeat(240)}@x.example` };
    const recipients = [{ ...mail.recipients[0]!, options: { notify: undefined, originalRecipient } }];
    await given.spool.deliver({ ...mail, recipients });
    await given.pass(MINUTE);
    for (let turn = 0; turn < 3; turn++) await given.spool.work();
    const report = hop.contents.join('');
    expect(report).toContain('Final-Recipient: rfc822; a@x.example');
    for (const line of report.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
  });
});
