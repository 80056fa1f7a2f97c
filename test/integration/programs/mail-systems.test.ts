/** Messages through the whole daemon into real mail systems of this host, and into a strict qmail-queue. */

import { createTransport } from 'nodemailer';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from '../daemon.ts';
import { missingPostfix, startPostfix } from '../receivers/postfix.ts';
import { describeWithReceiver } from '../receivers/described.ts';
import { type Receiver } from '../receivers/receiver.ts';
import { eximProgram, missingExim, type EximProgram } from './exim-program.ts';
import { freePort } from '../../free-port.ts';

const QMAIL_QUEUE = fileURLToPath(new URL('qmail-queue-stand-in.mjs', import.meta.url));
const BODY = ['one', '.', '..two', '', '.three', 'x'.repeat(3_000), 'end'];
const RECIPIENTS = ['u@example.test', 'v@example.test'];

/** The last reply, or the refusal as nodemailer throws it. */
async function send(daemon: RunningDaemon, header: string, lines: readonly string[] = BODY): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port: daemon.port, ignoreTLS: true });
  const raw = `Message-Id: <1@b.example>\r\n${header}\r\n\r\n${lines.join('\r\n')}\r\n`;
  try {
    return (await transport.sendMail({ envelope: { from: 'a@b.example', to: RECIPIENTS }, raw })).response;
  } catch (error) {
    return (error as { response?: string }).response ?? String(error);
  } finally {
    transport.close();
  }
}

/** Runs `use` with a daemon whose only queue plugin is `line`. */
async function withDaemon(
  line: string,
  use: (daemon: RunningDaemon) => Promise<void>,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const workplace = new Workplace({ plugins: `rcpt_ok\n${line}`, ...files });
  const daemon = await RunningDaemon.start(workplace);
  try {
    await use(daemon);
  } finally {
    await daemon.end();
    workplace.remove();
  }
}

/** What follows the fields that were added on the way. */
const contentOf = (message: Buffer | string): string => {
  const text = message.toString('latin1');
  return text.slice(text.indexOf('\n\n') + 2);
};

describe('programs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-queue-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('a strict qmail-queue has message and envelope on its disk before the client reads 250', async () => {
    process.env['QUEUE_FOLDER'] = folder;
    await withDaemon(`queue/qmail-queue ${QMAIL_QUEUE}`, async (daemon) => {
      expect(await send(daemon, 'Subject: qmail')).toMatch(/^250 Queued! \d+ qp \d+ <1@b\.example>$/);
      const [file, ...others] = readdirSync(folder);
      expect(others).toEqual([]);
      const { envelope, message } = JSON.parse(readFileSync(join(folder, file!), 'utf8')) as Record<
        string,
        string
      >;
      expect(envelope).toBe('Fa@b.example\0Tu@example.test\0Tv@example.test\0\0');
      expect(message).toMatch(
        /^Authentication-Results: [^\n]+\nReceived: (?:.+\n)+Message-Id: <1@b\.example>\n/,
      );
      expect(contentOf(message!)).toBe(`${BODY.join('\n')}\n`);
    });
  });

  test('a queue that can not be written is the client’s to try again', async () => {
    process.env['QUEUE_FOLDER'] = '/proc/no-such-folder';
    await withDaemon(`queue/qmail-queue ${QMAIL_QUEUE}`, async (daemon) => {
      expect(await send(daemon, 'Subject: full')).toBe('451 Unable to queue message (53)');
      expect(daemon.log).toContain('exit code 53, qq write error or disk full');
    });
  });

  test('any program is handed the message', async () => {
    const file = join(folder, 'piped');
    await withDaemon(`queue/pipe line_ends crlf /usr/bin/dd status=none of=${file}`, async (daemon) => {
      expect(await send(daemon, 'Subject: pipe')).toMatch(/^250 Delivered/);
      expect(readFileSync(file, 'latin1').endsWith(`\r\n\r\n${BODY.join('\r\n')}\r\n`)).toBe(true);
    });
  });
});

test('a process that may open no more files starts no program, and goes on', () => {
  const script = fileURLToPath(new URL('few-files.mjs', import.meta.url));
  const command = 'ulimit -n 60; exec "$0" "$1"';
  const ends = execFileSync('/bin/sh', ['-c', command, process.execPath, script], { encoding: 'utf8' });
  expect(ends).toBe('exited, not started, not started, exited');
});

describeWithReceiver('postfix', missingPostfix())('Postfix', () => {
  let postfix: Receiver;
  let cleanup: string;
  let ports: readonly [cleanup: number, qmqp: number];
  beforeAll(async () => {
    ports = [await freePort(), await freePort()];
    postfix = await startPostfix({
      settings: [
        'header_checks = regexp:{{/^Subject: forbidden/ REJECT 5.7.1 no such subject}}',
        'qmqpd_authorized_clients = 127.0.0.1',
        'default_transport = discard:',
      ],
      services: [
        `127.0.0.1:${ports[0]} inet n - n - 0 cleanup`,
        `127.0.0.1:${ports[1]} inet n - n - - qmqpd`,
      ],
    });
    cleanup = join(readlinkSync(`/proc/${postfix.pid}/cwd`), 'public', 'cleanup');
  });
  afterAll(() => postfix.stop());

  /** One message for each of both recipients, with this subject. */
  const arrived = async (subject: string): Promise<string[]> =>
    (await postfix.messages()).map(String).filter((text) => text.includes(`\nSubject: ${subject}\n`));

  test('cleanup queues by its Unix socket and says under which id', async () => {
    await withDaemon(`queue/postfix-queue ${cleanup} FLAG_MAP_OK`, async (daemon) => {
      const reply = await send(daemon, 'Subject: cleanup');
      expect(reply).toMatch(/^250 Queued! <1@b\.example> \(Queue-Id: [0-9A-F]+\)$/);
      const messages = await arrived('cleanup');
      expect(messages.map(contentOf)).toEqual([`${BODY.join('\n')}\n`, `${BODY.join('\n')}\n`]);
      const id = /Queue-Id: ([0-9A-F]+)/.exec(reply)![1]!;
      expect(postfix.log()).toMatch(new RegExp(`${id}: from=<a@b\\.example>, size=\\d+, nrcpt=2`));
    });
  });

  test('the second of cleanup_sockets is asked if nobody listens at the first, and takes megabytes', async () => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `${index} ${'.'.repeat(index % 90)}`);
    const files = { cleanup_sockets: `/no/such/socket\n127.0.0.1:${ports[0]}` };
    await withDaemon(
      'queue/postfix-queue',
      async (daemon) => {
        expect(await send(daemon, 'Subject: large', lines)).toMatch(/^250 Queued! /);
        expect((await arrived('large')).map(contentOf)).toEqual(Array(2).fill(`${lines.join('\n')}\n`));
      },
      files,
    );
  });

  test('what cleanup refuses is refused, with its reason', async () => {
    await withDaemon(`queue/postfix-queue ${cleanup} FLAG_MASK_EXTERNAL`, async (daemon) => {
      expect(await send(daemon, 'Subject: forbidden')).toBe('552 no such subject (#5.7.1)');
      const hops = Array.from({ length: 60 }, (_, hop) => `Received: from h${hop}.example`).join('\r\n');
      expect(await send(daemon, `${hops}\r\nSubject: loop`)).toBe('552 too many hops (#5.4.0)');
    });
  });

  test('a sender who wants to hear of success does', async () => {
    await withDaemon(`queue/postfix-queue ${cleanup}`, async (daemon) => {
      const transport = createTransport({ host: '127.0.0.1', port: daemon.port, ignoreTLS: true });
      const dsn = { id: 'Q1', return: 'headers', recipient: 'a@b.example' } as const;
      const envelope = { from: 'a@b.example', to: 'w@example.test' };
      await transport.sendMail({
        envelope,
        raw: 'Subject: dsn\r\n\r\ntext\r\n',
        dsn: { ...dsn, notify: ['success'] },
      });
      transport.close();
      expect(await arrived('dsn')).toHaveLength(1);
      expect(postfix.log()).toContain('sender delivery status notification');
    });
  });

  test('qmqpd queues', async () => {
    await withDaemon(`queue/qmqp 127.0.0.1:${await freePort()} 127.0.0.1:${ports[1]}`, async (daemon) => {
      expect(await send(daemon, 'Subject: qmqp')).toMatch(/^250 Ok: queued as [0-9A-F]+$/);
      expect((await arrived('qmqp')).map(contentOf)).toEqual(Array(2).fill(`${BODY.join('\n')}\n`));
    });
  });

  test('without cleanup the client is told to come back', async () => {
    await withDaemon(`queue/postfix-queue ${cleanup}.gone`, async (daemon) => {
      expect(await send(daemon, 'Subject: nobody')).toBe('451 Unable to open any cleanup sockets!');
    });
  });
});

describeWithReceiver('exim', await missingExim())('Exim', () => {
  let exim: EximProgram;
  beforeAll(async () => {
    exim = await eximProgram();
    mkdirSync(join(exim.mailboxes), { recursive: true });
  });
  afterAll(() => exim.remove());

  test('queues and delivers what it reads as batched SMTP', async () => {
    await withDaemon(`queue/exim-bsmtp exim_path ${exim.path}`, async (daemon) => {
      expect(await send(daemon, 'Subject: batch')).toBe('250 Queued!');
      const [message, ...others] = exim.messages();
      expect(others).toEqual([]);
      expect(message).toMatch(/^Return-path: <a@b\.example>\n/);
      expect(message).toMatch(/^Envelope-to: u@example\.test,\s*v@example\.test\n/m);
      expect(contentOf(message!)).toBe(`${BODY.join('\n')}\n`);
    });
  });

  test('what it refuses is refused', async () => {
    await withDaemon(`queue/exim-bsmtp exim_path ${exim.path}`, async (daemon) => {
      const large = Array.from({ length: 3_000 }, () => 'y'.repeat(70));
      const reply = await send(daemon, 'Subject: large', large);
      expect(reply).toMatch(/^552 /);
      expect(daemon.log).toContain(exim.path);
    });
  });
});
