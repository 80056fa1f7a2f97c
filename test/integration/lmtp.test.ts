/** Real clients of LMTP: Postfix, swaks and nodemailer. Of one message some recipients have it, and some are refused. */

import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { messagesOf, RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';
import { describeWithReceiver } from './receivers/described.ts';
import { missingPostfix, startPostfix } from './receivers/postfix.ts';

const workplace = new Workplace();
const socket = join(workplace.folder, 'lmtp', 's');
const mailbox = join(workplace.folder, 'box');
let daemon: RunningDaemon;
let port: number;

beforeAll(async () => {
  workplace.write({
    plugins: 'rcpt_ok\nqueue/routes',
    rcpthosts: 'example.test\nnowhere.test',
    routes: `example.test maildir ${mailbox}`,
  });
  // Postfix looks for the socket under a user of its own.
  mkdirSync(join(workplace.folder, 'lmtp'));
  chmodSync(workplace.folder, 0o755);
  daemon = await RunningDaemon.start(workplace, {
    words: ['--listen', 'tcp://127.0.0.1:0 lmtp=yes', '--listen', `unix:${socket} mode=0666 lmtp=yes`],
  });
  port = daemon.ports[1]!;
});

afterAll(async () => {
  await daemon.end();
  workplace.remove();
});

const delivered = (): string => messagesOf(mailbox).join('\n');

describeWithReceiver('Postfix', missingPostfix())('Postfix', () => {
  test.each(['unix', 'inet'])(
    'delivers over %s, and knows of each recipient what became of it',
    async (kind) => {
      const next = kind === 'unix' ? `unix:${socket}` : `inet:127.0.0.1:${port}`;
      const postfix = await startPostfix({
        settings: [
          'virtual_mailbox_domains =',
          'relay_domains = example.test, nowhere.test',
          `relay_transport = lmtp:${next}`,
        ],
        services: ['lmtp unix - - n - - lmtp'],
      });
      try {
        const before = messagesOf(mailbox).length;
        const client = new TestClient(connect(postfix.port, '127.0.0.1'));
        await client.reply();
        await client.say('EHLO client.example');
        await client.say('MAIL FROM:<>');
        for (const path of ['a@example.test', 'b@nowhere.test', 'c@example.test'])
          expect(await client.say(`RCPT TO:<${path}>`)).toMatch(/^250/);
        await client.say('DATA');
        expect(await client.say(`Subject: by ${kind}\r\n\r\nx\r\n.`)).toMatch(/^250/);
        await client.say('QUIT');
        await expect.poll(() => postfix.log()).toMatch(/postfix\/qmgr\[\d+\]: \w+: removed/);
        const log = postfix.log();
        expect(log).toMatch(/to=<a@example\.test>, .*status=sent \(250 2\.6\.0 Queued/);
        expect(log).toMatch(/to=<b@nowhere\.test>, .*status=bounced \(.*550 5\.1\.2/);
        expect(log).toMatch(/to=<c@example\.test>, .*status=sent/);
        expect(messagesOf(mailbox)).toHaveLength(before + 1);
        expect(delivered()).toMatch(
          new RegExp(`by mx\\.test \\(qpsmtpd/\\S+\\) with LMTP ; [^]*\nSubject: by ${kind}\n`),
        );
      } finally {
        await postfix.stop();
      }
    },
  );
});

describeWith('swaks', 'swaks')('swaks', () => {
  test('reads a reply for each recipient', async () => {
    const to = 'a@example.test,b@nowhere.test,c@example.test';
    const options = ['--protocol', 'LMTP', '--from', 'a@b.example', '--to', to, '--helo', 'client.example'];
    // It ends with a code of its own where a recipient was refused.
    const said = await new Promise<string>((resolve) => {
      execFile('swaks', ['--server', `127.0.0.1:${port}`, ...options], (_, out) => resolve(out));
    });
    expect(said).toContain('LHLO client.example');
    expect(said).toMatch(
      /-> \.\n<[-*~]+? {1,2}250 2\.6\.0 Queued[^\n]*\n<[-*~]+? {1,2}550 5\.1\.2 [^\n]*\n<[-*~]+? {1,2}250 2\.6\.0 Queued/,
    );
    expect(delivered()).toContain('(HELO client.example)');
  });
});

describe('nodemailer', () => {
  test('delivers with lmtp: true', async () => {
    const transport = createTransport({
      host: '127.0.0.1',
      port,
      lmtp: true,
      ignoreTLS: true,
      name: 'node.example',
    });
    const sent = await transport.sendMail({
      from: 'a@b.example',
      to: ['a@example.test', 'c@example.test'],
      subject: 'x',
      text: 'by nodemailer',
    });
    expect(sent.accepted).toEqual(['a@example.test', 'c@example.test']);
    expect(delivered()).toMatch(/\(HELO node\.example\) .*\n.*with LMTP ; [^]*by nodemailer/);
  });
});
