/** The receivers themselves: each takes a message, puts it into a mailbox, refuses strangers and survives a kill. */

import { createTransport } from 'nodemailer';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { missingDovecot, startDovecot } from './dovecot.ts';
import { missingExim, startExim } from './exim.ts';
import { missingOpenSmtpd, startOpenSmtpd } from './opensmtpd.ts';
import { missingPostfix, startPostfix } from './postfix.ts';
import { describeWithReceiver } from './described.ts';
import type { Receiver } from './receiver.ts';

const SERVERS = [
  { name: 'Postfix', missing: missingPostfix(), start: startPostfix },
  { name: 'Exim', missing: await missingExim(), start: startExim },
  { name: 'OpenSMTPD', missing: await missingOpenSmtpd(), start: startOpenSmtpd },
] as const;

async function send({ port }: Receiver, to: string, subject: string): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
  try {
    await transport.sendMail({ from: 'a@b.example', to, subject, text: 'one\n.two\nthree\n' });
  } finally {
    transport.close();
  }
}

for (const { name, missing, start } of SERVERS) {
  describeWithReceiver(name, missing)(name, () => {
    test('delivers, refuses other domains, and starts again after a kill', async () => {
      const receiver = await start();
      try {
        await send(receiver, 'u@example.test', 'first');
        await expect(send(receiver, 'u@elsewhere.example', 'stray')).rejects.toThrow(/5\d\d/);
        // Delivered before the kill: otherwise it may rightly come twice.
        expect(await receiver.messages()).toHaveLength(1);
        await receiver.kill();
        await receiver.restart();
        await send(receiver, 'u@example.test', 'second');
        const messages = (await receiver.messages()).map((octets) => octets.toString('latin1'));
        expect(messages.map((text) => /^Subject: (.*)$/m.exec(text)?.[1]).sort()).toEqual([
          'first',
          'second',
        ]);
        for (const text of messages) expect(text).toMatch(/\n\none\n\.two\nthree\n/);
      } finally {
        await receiver.stop();
      }
    });
  });
}

/** Says each line after a reply to the one before; resolves with the first line of each reply, the greeting first. */
function converse(to: { port: number } | { path: string }, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, host: '127.0.0.1' });
    const replies: string[] = [];
    let text = '';
    socket.once('error', reject);
    socket.once('close', () => resolve(replies));
    socket.setTimeout(10_000, () => socket.destroy());
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      for (let match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text); match !== null;) {
        replies.push(match[0].split('\r\n', 1)[0]!);
        text = text.slice(match[0].length);
        const line = lines[replies.length - 1];
        if (line === undefined) socket.end();
        else socket.write(`${line}\r\n`);
        match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text);
      }
    });
  });
}

describeWithReceiver('Dovecot', missingDovecot())('Dovecot', () => {
  test('takes LMTP on TCP and on its socket, with an answer for each recipient', async () => {
    const receiver = await startDovecot({ users: ['u@example.test'] });
    const talk = [
      'LHLO c.test',
      'MAIL FROM:<a@b.example>',
      'RCPT TO:<u@example.test>',
      'RCPT TO:<v@example.test>',
    ];
    const content = ['DATA', 'Subject: x\r\n\r\none\r\n..two\r\n.'];
    try {
      for (const to of [{ port: receiver.port }, { path: receiver.socket! }]) {
        const replies = await converse(to, [...talk, ...content]);
        expect(replies.map((reply) => reply.slice(0, 3))).toEqual([
          '220',
          '250',
          '250',
          '250',
          '550',
          '354',
          '250',
        ]);
      }
      const messages = (await receiver.messages()).map((octets) => octets.toString('latin1'));
      expect(messages).toHaveLength(2);
      for (const text of messages) expect(text).toMatch(/\n\none\n\.two\n$/);
    } finally {
      await receiver.stop();
    }
  });
});
