/** The hop client against real mail servers: what goes out arrives as it was, whatever extensions are used. */

import { expect, test } from 'vitest';
import { TestServer } from '../../host/testing/index.ts';
import { CertificateFolder, makePair } from '../tls/secure-server.ts';
import { closeLater } from '../delivery/hop-closers.ts';
import { outletTo, mailTo } from '../delivery/mail-object.ts';
import { messageOf } from '../delivery/transaction.ts';
import type { HopOptions } from '../../plugins/queue/smtp/hop-options.ts';
import { missingDovecot, startDovecot } from './receivers/dovecot.ts';
import { missingExim, startExim } from './receivers/exim.ts';
import { missingOpenSmtpd, startOpenSmtpd } from './receivers/opensmtpd.ts';
import { missingPostfix, startPostfix } from './receivers/postfix.ts';
import { describeWithReceiver } from './receivers/described.ts';
import type { Receiver } from './receivers/receiver.ts';

const LINES = Array.from({ length: 40_000 }, (_, index) =>
  index % 3 === 0 ? `.${'.'.repeat(index % 5)}` : `line ${index} ${'x'.repeat(index % 70)}`,
);
const header = (subject: string): string =>
  `From: <s@c.example>\r\nSubject: ${subject}\r\nMessage-Id: <${subject}@c.example>\r\n\r\n`;

function outlet({ port, socket }: Receiver, options: Partial<HopOptions> = {}): ReturnType<typeof outletTo> {
  const isUnix = options.protocol === 'lmtp' && socket !== undefined;
  const host = isUnix ? { name: 'hop.test', path: socket } : { name: 'hop.test', address: '127.0.0.1', port };
  const made = outletTo([], { hosts: [host], ...options });
  closeLater(() => made.close());
  return made;
}

async function started<T extends Receiver>(starting: Promise<T>): Promise<T> {
  const receiver = await starting;
  closeLater(() => receiver.stop());
  return receiver;
}

/** Body of the delivered message with this subject. */
function bodyOf(messages: readonly Buffer[], subject: string): string | undefined {
  const text = messages
    .map((octets) => octets.latin1Slice())
    .find((each) => each.includes(`\nSubject: ${subject}\n`));
  return text?.slice(text.indexOf('\n\n') + 2);
}

const SERVERS = [
  { name: 'Postfix, BDAT', missing: missingPostfix(), start: () => startPostfix() },
  {
    name: 'Postfix, DATA',
    missing: missingPostfix(),
    start: () => startPostfix({ settings: ['smtpd_discard_ehlo_keywords = chunking'] }),
  },
  {
    name: 'Postfix, nothing but SMTP',
    missing: missingPostfix(),
    start: () =>
      startPostfix({ settings: ['smtpd_discard_ehlo_keywords = chunking, pipelining, dsn, size'] }),
  },
  { name: 'Exim', missing: await missingExim(), start: () => startExim() },
  { name: 'OpenSMTPD', missing: await missingOpenSmtpd(), start: () => startOpenSmtpd() },
] as const;

for (const { name, missing, start } of SERVERS) {
  describeWithReceiver(name, missing)(name, () => {
    test('a short and a long message full of dots, and a recipient who is refused', async () => {
      const receiver = await started(start());
      const out = outlet(receiver);
      for (const [subject, lines] of [
        ['short', ['.', 'x']],
        ['long', LINES],
      ] as const) {
        const message = messageOf(`${header(subject)}${lines.join('\r\n')}\r\n`);
        const [outcome] = await out.deliver(mailTo(['u@example.test'], { message }));
        expect(outcome).toMatchObject({ kind: 'delivered' });
        expect(bodyOf(await receiver.messages(), subject) === `${lines.join('\n')}\n`).toBe(true);
      }
      const report = await out.deliver(mailTo(['u@example.test', 'u@elsewhere.example']));
      expect(report.map(({ kind }) => kind)).toEqual(['refused', 'refused']);
      const mail = mailTo(['u@example.test', 'u@elsewhere.example'], {
        message: messageOf(`${header('tracked')}x\r\n`),
        isTrackedByRecipient: true,
      });
      expect((await out.deliver(mail)).map(({ kind }) => kind)).toEqual(['delivered', 'refused']);
      expect(await receiver.messages()).toHaveLength(3);
      // The one after the refusal may find the connection busy with RSET.
      expect(out.counters.connections).toBeLessThanOrEqual(2);
    });
  });
}

describeWithReceiver('Postfix', missingPostfix())('Postfix', () => {
  test('through queue/smtp-forward: the reply names the message as the log of Postfix does', async () => {
    const receiver = await started(startPostfix());
    const server = await TestServer.start({
      plugins: ['rcpt_ok', `queue/smtp-forward 127.0.0.1 ${receiver.port}`],
      config: { rcpthosts: ['example.test', 'elsewhere.example'] },
    });
    closeLater(() => server.close());
    const client = await server.greeted();
    const send = async (to: string): Promise<string> => {
      await client.say('MAIL FROM:<s@c.example>');
      await client.say(`RCPT TO:<${to}>`);
      await client.say('DATA');
      return client.say(`${header('forwarded')}.\r\n.`.replace('\r\n\r\n.', '\r\n\r\n..'));
    };
    const [, id = ''] = /^250 queued as (\w+)$/.exec(await send('u@example.test')) ?? [];
    expect(bodyOf(await receiver.messages(), 'forwarded')).toBe('.\n');
    expect(receiver.log()).toContain(id);
    expect(await send('u@elsewhere.example')).toMatch(/^554 .*Relay access denied/);
  });

  test('a hop that was killed and started again: kept connections are replaced', async () => {
    const receiver = await started(startPostfix());
    const out = outlet(receiver);
    expect((await out.deliver(mailTo(['u@example.test'])))[0]!.kind).toBe('delivered');
    await receiver.messages();
    await receiver.kill();
    expect((await out.deliver(mailTo(['u@example.test'])))[0]).toMatchObject({
      kind: 'deferred',
      hop: undefined,
    });
    await receiver.restart();
    expect((await out.deliver(mailTo(['u@example.test'])))[0]!.kind).toBe('delivered');
  });

  test('STARTTLS with a verified certificate', async () => {
    const pair = makePair('hop.test');
    const folder = new CertificateFolder();
    closeLater(() => folder.remove());
    folder.write('hop', pair);
    const receiver = await started(
      startPostfix({ tls: { cert: folder.file('hop.crt'), key: folder.file('hop.key') } }),
    );
    const verified = outlet(receiver, { tls: { level: 'verified', authorities: pair.certificate } });
    expect((await verified.deliver(mailTo(['u@example.test'])))[0]!.kind).toBe('delivered');
    const strict = outlet(receiver, { tls: { level: 'verified' } });
    expect((await strict.deliver(mailTo(['u@example.test'])))[0]!.reply.status).toBe('4.7.5');
    const usual = outlet(receiver);
    expect((await usual.deliver(mailTo(['u@example.test'])))[0]!.kind).toBe('delivered');
  });
});

describeWithReceiver('Dovecot', missingDovecot())('Dovecot, LMTP', () => {
  test.each(['TCP', 'a Unix socket'])('over %s each recipient has an answer', async (way) => {
    const receiver = await started(startDovecot({ users: ['u@example.test', 'v@example.test'] }));
    const out = outlet(way === 'TCP' ? { ...receiver, port: receiver.port, socket: undefined } : receiver, {
      protocol: 'lmtp',
    });
    const message = messageOf(`${header('mailbox')}${LINES.join('\r\n')}\r\n`);
    const report = await out.deliver(
      mailTo(['u@example.test', 'nobody@example.test', 'v@example.test'], {
        message,
        isTrackedByRecipient: true,
      }),
    );
    expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'refused', 'delivered']);
    const messages = await receiver.messages();
    expect(messages).toHaveLength(2);
    expect(bodyOf(messages, 'mailbox') === `${LINES.join('\n')}\n`).toBe(true);
  });
});
