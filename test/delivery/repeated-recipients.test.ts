/** A mailbox that is named twice, in one spelling or in two, is handed the message once. */

import { afterEach, describe, expect, test } from 'vitest';
import { Address, defineOutlet, definePlugin, ok, type MailObject } from '../../bindings/plugin/index.ts';
import type { RecipientOptions } from '../../bindings/plugin/connection.ts';
import { withoutRepeats } from '../../bindings/plugin/delivery.ts';
import { TestServer } from '../../host/testing/test-server.ts';
import { cutThroughTo } from './cut-through.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Says the commands, expects each to be taken, and sends a message. */
async function send(server: TestServer, commands: readonly string[]): Promise<void> {
  const client = await server.greeted();
  for (const command of ['EHLO c.example', 'MAIL FROM:<s@c.example> SMTPUTF8', ...commands])
    expect(await client.say(Buffer.from(command).latin1Slice()), command).toMatch(/^250/);
  expect(await client.say('DATA')).toMatch(/^354/);
  expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250/);
}

const RECIPIENTS = [
  'RCPT TO:<a@b.example>',
  'RCPT TO:<a@B.EXAMPLE>',
  'RCPT TO:<A@b.example>',
  'RCPT TO:<a@bücher.example>',
  'RCPT TO:<a@b.example>',
  'RCPT TO:<a@XN--BCHER-KVA.example>',
];
const ONCE = ['<a@b.example>', '<A@b.example>', '<a@bücher.example>'];

test('outlets are given each mailbox once, as it was named first', async () => {
  const mails: MailObject[] = [];
  const outlet = defineOutlet({
    name: 'queue/record',
    about: '',
    outlet: () => ({
      deliver(mail) {
        mails.push(mail);
        const reply = { code: 250, status: undefined, lines: ['ok'] };
        return Promise.resolve(mail.recipients.map(() => ({ kind: 'delivered', reply, hop: undefined })));
      },
    }),
  });
  const accepting = definePlugin({ name: 'accepting', about: '', hooks: { rcpt: () => ok() } });
  const server = await TestServer.start({ plugins: [accepting, outlet] });
  closing.push(() => server.close());
  await send(server, RECIPIENTS);
  expect(mails.map(({ recipients }) => recipients.map(({ address }) => address.toString()))).toEqual([ONCE]);
});

test('so is a next hop that is spoken to at the same time, and a plugin takes a recipient out altogether', async () => {
  const removing = definePlugin({
    name: 'removing',
    about: '',
    hooks: {
      data({ transaction }) {
        transaction.removeRecipient(new Address('gone', 'x.example'));
      },
    },
  });
  const setting = await cutThroughTo({ offers: ['SMTPUTF8', '8BITMIME'] }, { plugins: [removing] });
  closing.push(() => setting.close());
  await send(setting.server, RECIPIENTS);
  const said = (): readonly string[] => setting.hop.lines.filter((line) => line.startsWith('RCPT'));
  const paths = (): readonly string[] =>
    said().map((line) => /<.*>/.exec(Buffer.from(line, 'latin1').toString())![0]);
  expect(paths()).toEqual(ONCE);
  expect(setting.hop.lines.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
  await send(setting.server, [
    'RCPT TO:<a@b.example>',
    'RCPT TO:<gone@x.example>',
    'RCPT TO:<gone@X.example>',
  ]);
  // The hop had heard of the one who is gone, so the envelope is told anew.
  expect(paths().slice(-1)).toEqual(['<a@b.example>']);
});

describe('what the sender wants to hear', () => {
  const options = (notify: RecipientOptions['notify'], address?: string): RecipientOptions => ({
    notify,
    originalRecipient: address === undefined ? undefined : { type: 'rfc822', address },
  });
  const named = (...given: readonly (RecipientOptions | undefined)[]) =>
    withoutRepeats(
      given.map((options) => ({ address: new Address('a', 'b'), parameters: new Map(), options })),
    ).map((recipient) => recipient.options);

  test.each([
    [['never'], ['never'], ['never']],
    [['never'], ['success'], ['success']],
    [['success'], ['failure', 'delay'], ['success', 'failure', 'delay']],
    [undefined, ['never'], undefined],
    [['success'], undefined, ['success', 'failure', 'delay']],
    [['failure'], undefined, undefined],
  ] as const)('%j and %j are %j together', (first, next, together) => {
    expect(named(options(first), options(next))).toEqual([options(together)]);
  });

  test('names the original recipient that was given first', () => {
    expect(named(undefined, options(['success'], 'x@y'), options(undefined, 'z@y'))).toEqual([
      options(['success', 'failure', 'delay'], 'x@y'),
    ]);
    expect(named(undefined, undefined)).toEqual([undefined]);
  });

  test('costs nothing where nobody is named twice', () => {
    const recipients = ['a', 'b'].map((name) => ({ address: new Address(name, 'x'), parameters: new Map() }));
    expect(withoutRepeats(recipients)).toBe(recipients);
  });
});
