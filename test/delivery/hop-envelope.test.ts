/** What of the envelope a hop is told, and what it must not be sent. */

import { expect, test, vi } from 'vitest';
import { Address } from '../../bindings/wire/address.ts';
import type { MailOptions, Recipient } from '../../bindings/plugin/connection.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import {
  decodeUnicodeAddress,
  decodeXtext,
  encodeUnicodeAddress,
  encodeXtext,
} from '../../bindings/wire/xtext.ts';
import { DataFlag } from '../../bindings/core/contract.ts';
import { StoredMessage } from '../../host/message/stored-message.ts';
import { core } from '../message/core.ts';
import { hopWith, outlet } from './hop-closers.ts';
import { LETTER, mailTo } from './mail-object.ts';
import { address } from './transaction.ts';

const ALL = ['PIPELINING', 'SIZE 1000', '8BITMIME', 'SMTPUTF8', 'DSN', 'CHUNKING', 'BINARYMIME'];
const without = (...words: string[]): string[] =>
  ALL.filter((offer) => !words.includes(offer.split(' ')[0]!));

const withOptions = (options: Partial<MailOptions>): MailOptions => ({ ...PLAIN_MAIL, ...options });

function messageWith(text: string, flags = 0): StoredMessage {
  const message = new StoredMessage(core, { sizeThreshold: Infinity, spool: undefined });
  message.content.append(Buffer.from(text));
  message.complete(flags, 0);
  return message;
}

const careful: Recipient = {
  address: address('a@d.example'),
  parameters: new Map(),
  options: { notify: ['success', 'delay'], originalRecipient: { type: 'rfc822', address: 'a+b@x y' } },
};

test('everything that was asked for goes on', async () => {
  const hop = await hopWith({ offers: ALL });
  const mailOptions = withOptions({ body: '8bitmime', isUtf8: true, ret: 'hdrs', envid: 'QQ+1=2' });
  const [outcome] = await outlet([hop]).deliver(mailTo([careful], { mailOptions }));
  expect(hop.lines.slice(1, 3)).toEqual([
    `MAIL FROM:<s@c.example> SIZE=${LETTER.length} BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1+3D2`,
    'RCPT TO:<a@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@x+20y',
  ]);
  expect(outcome).toMatchObject({ kind: 'delivered', isReportedByHop: true });
});

test('a hop that offers nothing is told nothing', async () => {
  const hop = await hopWith();
  const mailOptions = withOptions({ body: '8bitmime', ret: 'full', envid: 'x' });
  const [outcome] = await outlet([hop]).deliver(mailTo([careful], { mailOptions }));
  expect(hop.lines.slice(1, 3)).toEqual(['MAIL FROM:<s@c.example>', 'RCPT TO:<a@d.example>']);
  expect(outcome!.isReportedByHop).toBeUndefined();
});

test.each([
  ['binary content', without('BINARYMIME'), { mailOptions: withOptions({ body: 'binarymime' }) }, '5.6.1'],
  [
    'binary content without chunks',
    without('CHUNKING'),
    { mailOptions: withOptions({ body: 'binarymime' }) },
    '5.6.1',
  ],
  ['8-bit content', without('8BITMIME'), { message: messageWith(LETTER, DataFlag.EightBit) }, '5.6.3'],
  [
    'an internationalized sender',
    without('SMTPUTF8'),
    { reversePath: new Address('\u00fc', 'c.example') },
    '5.6.7',
  ],
  ['more than it takes', ALL, { message: messageWith(LETTER + 'x'.repeat(1_000)) }, '5.3.4'],
  [
    'a recipient with a line end in it',
    ALL,
    { recipients: [{ address: new Address('a\r\nDATA', 'd.example'), parameters: new Map() }] },
    '5.1.3',
  ],
  ['a sender with a line end in it', ALL, { reversePath: new Address('a', 'c>\r\nRCPT TO:<x@y') }, '5.1.7'],
  [
    'a dot behind a bare LF',
    [],
    { message: messageWith('Subject: x\r\n\r\nab\n.\r\nMAIL FROM:<x>\r\n') },
    '5.6.1',
  ],
])('%s is not sent to a hop that does not take it', async (_, offers, parts, status) => {
  const hop = await hopWith({ offers });
  const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example'], parts));
  expect(outcome).toMatchObject({ kind: 'refused', hop: 'hop.test', reply: { status } });
  expect(hop.lines.join('\n')).not.toContain('BDAT');
  expect(hop.lines).not.toContain('RCPT TO:<x@y>');
});

test('8-bit content goes out all the same where that is wanted', async () => {
  const hop = await hopWith();
  const mail = mailTo(['a@d.example'], { message: messageWith(LETTER, DataFlag.EightBit) });
  expect((await outlet([hop], { eightBit: 'send' }).deliver(mail))[0]!.kind).toBe('delivered');
});

test('SMTPUTF8 that was asked for and is not needed keeps no message from an old hop', async () => {
  const hop = await hopWith({ offers: ['8BITMIME'] });
  const mailOptions = withOptions({ isUtf8: true });
  const body = messageWith('Subject: x\r\n\r\n\u00fc\r\n', DataFlag.EightBit);
  const subject = messageWith('Subject: \u00fc\r\n\r\nx\r\n', DataFlag.EightBit);
  const out = outlet([hop]);
  expect((await out.deliver(mailTo(['a@d.example'], { mailOptions, message: body })))[0]!.kind).toBe(
    'delivered',
  );
  expect(
    (await out.deliver(mailTo(['a@d.example'], { mailOptions, message: subject })))[0]!.reply.status,
  ).toBe('5.6.7');
});

test('a header of one field two thousand times is read once for that', async () => {
  const hop = await hopWith({ offers: ['8BITMIME'] });
  const message = messageWith(`${'X: y\r\n'.repeat(2_000)}\r\n\u00fc\r\n`, DataFlag.EightBit);
  const all = vi.spyOn(message.header, 'all');
  const mail = mailTo(['a@d.example'], { mailOptions: withOptions({ isUtf8: true }), message });
  expect((await outlet([hop]).deliver(mail))[0]!.kind).toBe('delivered');
  expect(all.mock.calls.filter(([name]) => name.toLowerCase() === 'x')).toHaveLength(1);
});

test('of several recipients only the internationalized one is left out, if they are tracked', async () => {
  const hop = await hopWith({ offers: without('SMTPUTF8') });
  const report = await outlet([hop]).deliver(
    mailTo(['a@d.example', '\u00fc@d.example'], { isTrackedByRecipient: true }),
  );
  expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'refused']);
});

test('binary content goes out octet by octet', async () => {
  const hop = await hopWith({ offers: ALL });
  const text = 'Subject: x\r\n\r\n\n.\n\r.\r\0\r\n.\r\nend';
  const mailOptions = withOptions({ body: 'binarymime' });
  const [outcome] = await outlet([hop]).deliver(
    mailTo(['a@d.example'], { message: messageWith(text), mailOptions }),
  );
  expect(outcome!.kind).toBe('delivered');
  expect(hop.contents).toEqual([text]);
});

test('what is encoded can be decoded', () => {
  const text = 'a+b=c d\\e';
  expect(decodeXtext(encodeXtext(text))).toBe(text);
  for (const name of ['\u00fcser@d.example', 'a+b\\c@\u{1f600}.example'])
    expect(decodeUnicodeAddress(encodeUnicodeAddress(name), false)).toBe(name);
});
