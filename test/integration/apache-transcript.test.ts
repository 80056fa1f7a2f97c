/**
 * What a client reads through Apache httpd is what it reads from the daemon itself, line by line, and what is stored is the same.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { replayScript } from '../dialogue/replay-script.ts';
import { parseScript } from '../dialogue/script.ts';
import { StreamWire } from '../dialogue/stream-wire.ts';
import { normaliseTranscript } from '../parity/normalise.ts';
import { RunningProgram } from '../process/running-program.ts';
import { makePair } from '../tls/secure-server.ts';
import { messagesOf } from './daemon.ts';
import { CLIENT, connected } from './front.ts';
import { BY_RELAY, apacheTests, hasModPerl, startHttpd, withCertificate, type Mpm } from './httpd.ts';
import { describeWith } from './needs.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const here = apacheTests('transcript');

const AUTH_PLAIN = Buffer.from('\0user@example.com\0secret').toString('base64');
const AUTH_WRONG = Buffer.from('\0user@example.com\0wrong').toString('base64');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Every verb, refusals of each kind, octets cut and gathered otherwise than they were sent, messages in three ways. */
const SCRIPT = [
  'S',
  'C MAIL FROM:<a@c.example>',
  'C HELO',
  'C HELO c.example',
  'C EHLO c.example',
  'C NOOP',
  'C NOOP with arguments',
  'C HELP',
  'C VRFY user',
  'C EXPN list',
  'C ETRN example.com',
  'C WRONG verb',
  'C MAIL FROM:<a@@b>',
  'C MAIL FROM:<bad@refused.example>',
  'C RSET',
  'C MAIL FROM:<a@c.example> SIZE=99999999',
  'C MAIL FROM:<a@c.example> WRONG=1',
  'C MAIL FROM:<a@c.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x1',
  'C RCPT TO:<b@elsewhere.example>',
  'C RCPT TO:<gone@example.com>',
  'C RCPT TO:<>',
  'C RCPT TO:<b@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.com',
  'C DATA',
  String.raw`R Subject: by DATA\r\n\r\n..a dot\r\n`,
  String.raw`R \r\n.\r\n`,
  'S',
  // Everything in one segment.
  String.raw`R MAIL FROM:<a@c.example>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@elsewhere.example>\r\nDATA\r\n`,
  ...['S', 'S', 'S', 'S'],
  String.raw`R Subject: pipelined\r\n\r\nx\r\n.\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@example.com>\r\nBDAT 20\r\nSubject: by BDAT\r\n\r\nBDAT 4 LAST\r\nx\r\nyNOOP\r\n`,
  ...['S', 'S', 'S', 'S', 'S', 'S'],
  // Octets one by one.
  ...[...'NOOP'].map((octet) => `R ${octet}`),
  String.raw`R \r`,
  String.raw`R \n`,
  'S',
  `C NOOP ${'x'.repeat(600)}`,
  `C AUTH PLAIN ${AUTH_WRONG}`,
  'C AUTH WRONG',
  'C AUTH LOGIN',
  'C *',
  'C AUTH CRAM-MD5',
  'C x',
  'C AUTH LOGIN',
  `C ${base64('user@example.com')}`,
  `C ${base64('secret')}`,
  `C AUTH PLAIN ${AUTH_PLAIN}`,
  'C MAIL FROM:<a@c.example>',
  'C RCPT TO:<anybody@elsewhere.example>',
  'C DATA',
  String.raw`R Subject: relayed\r\n\r\n${'x'.repeat(70)}\r\n.\r\n`,
  'S',
  'C MAIL FROM:<a@c.example>',
  'C RCPT TO:<b@example.com>',
  'C DATA',
  String.raw`R Subject: bare\r\n\r\na line\nanother\r\n.\r\n`,
  'S',
  'C QUIT',
  'E',
];

/** The same inside STARTTLS, which httpd only passes on. */
const STARTTLS = ['S', 'C EHLO c.example', 'C STARTTLS', 'T', ...SCRIPT.slice(1)];

/** The daemon, which accepts its clients itself, with TLS and without, and from httpd. */
async function serve(): Promise<{ plain: number; tls: number; socket: string }> {
  const socket = join(here.folder, 'front.sock');
  mkdirSync(join(here.folder, 'config'));
  mkdirSync(join(here.folder, 'spool'), { mode: 0o700 });
  const { certificate, key } = makePair('mx.example.com');
  writeFileSync(join(here.folder, 'own.crt'), certificate);
  writeFileSync(join(here.folder, 'own.key'), key, { mode: 0o600 });
  const files = {
    plugins: [
      'auth/auth_flat_file',
      `tls ${join(here.folder, 'own.crt')} ${join(here.folder, 'own.key')}`,
      'badmailfrom',
      'badrcptto',
      'rcpt_ok',
      `queue/maildir ${join(here.folder, 'Maildir')}`,
    ],
    badmailfrom: ['@refused.example'],
    badrcptto: ['gone@example.com'],
    flat_auth_pw: ['user@example.com:secret'],
    auth_delay: ['0'],
    databytes: ['100000'],
    rcpthosts: ['example.com'],
    spool_dir: [join(here.folder, 'spool')],
    me: ['mx.example.com'],
    loglevel: ['3'],
    listeners: [
      'tcp://127.0.0.1:0',
      'tcp://127.0.0.1:0 tls=implicit',
      `unix:${socket} mode=0666 proxy=required`,
    ],
  };
  for (const [name, lines] of Object.entries(files))
    writeFileSync(join(here.folder, 'config', name), `${lines.join('\n')}\n`, { mode: 0o600 });
  const args = ['serve', '--config', join(here.folder, 'config'), '--workers', '1'];
  const program = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args);
  here.ends.push(() => program.dispose());
  const { input } = await program.out.find(/listening on/);
  const [plain, tls] = [...input.matchAll(/tcp:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
  return { plain: plain!, tls: tls!, socket };
}

interface Played {
  readonly lines: readonly string[];
  readonly messages: readonly string[];
}

/** Plays a script as `CLIENT`; what was stored is taken out of `maildir`. */
async function play(
  port: number,
  script: readonly string[] | string,
  { tls = false, maildir = join(here.folder, 'Maildir') } = {},
): Promise<Played> {
  const socket = await connected(port);
  here.ends.push(() => socket.destroy());
  const wire = new StreamWire(tls ? connectTls({ socket, rejectUnauthorized: false }) : socket);
  const steps = parseScript(typeof script === 'string' ? script : script.join('\n'));
  const lines = normaliseTranscript(await replayScript(wire, steps));
  const messages = messagesOf(maildir).map((octets) => withoutDate(octets.toString('latin1')));
  rmSync(maildir, { recursive: true, force: true });
  return { lines, messages: messages.sort() };
}

/** The date is all that two deliveries of one message may differ in. */
const withoutDate = (message: string): string =>
  message.replace(/; \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/gm, '; DATE');

const handOn = (socket: string): readonly string[] => [`QpsmtpdSocket ${socket}`];
const relay = (socket: string, ...more: string[]): readonly string[] => [
  'PerlProcessConnectionHandler Qpsmtpd::Relay',
  `PerlSetVar QpsmtpdSocket ${socket}`,
  ...more,
];

/** httpd with one host without TLS and one with. */
async function front(
  mpm: Mpm,
  modules: readonly string[],
  hosts: readonly (readonly string[])[],
): Promise<readonly number[]> {
  const httpd = await startHttpd(
    here.folder,
    mpm,
    modules,
    hosts.map((lines) => ({ lines })),
  );
  here.ends.push(() => httpd.end());
  return httpd.ports;
}

/** The directly played script has to be worth comparing with. */
function expectWhole({ lines, messages }: Played): void {
  const codes = new Set(lines.flatMap((line) => /^S: (\d{3}) /.exec(line)?.[1] ?? []));
  for (const code of ['220', '250', '354', '334', '235', '221', '500', '501', '503', '535', '550', '552'])
    expect(codes, lines.join('\n')).toContain(code);
  expect(lines.at(-1)).toBe('S: [EOF]');
  expect(messages.length).toBe(4);
  for (const message of messages) expect(message).toContain(`(${CLIENT})`);
}

describeWith('apxs2', 'apache2-dev')('through mod_qpsmtpd', () => {
  test.each(['event', 'prefork'] as const)('%s: transcript and messages are the same', async (mpm) => {
    const { plain, tls, socket } = await serve();
    const [through, secured] = await front(mpm, here.module, [
      handOn(socket),
      [...handOn(socket), ...withCertificate(here.folder)],
    ]);
    const direct = await play(plain, SCRIPT);
    expectWhole(direct);
    expect(await play(through!, SCRIPT)).toEqual(direct);
    const inside = await play(plain, STARTTLS);
    expectWhole(inside);
    expect(await play(through!, STARTTLS)).toEqual(inside);
    const implicit = await play(tls, SCRIPT, { tls: true });
    expectWhole(implicit);
    expect(await play(secured!, SCRIPT, { tls: true })).toEqual(implicit);
  });
});

describeWith('apache2', 'apache2')('through Qpsmtpd::Relay', () => {
  test.skipIf(!hasModPerl).each(['event', 'prefork'] as const)(
    '%s: transcript and messages are the same, but for the cipher',
    async (mpm) => {
      const { plain, tls, socket } = await serve();
      const [through, secured] = await front(mpm, BY_RELAY, [
        relay(socket),
        [...relay(socket, 'PerlSetVar QpsmtpdTls 1'), ...withCertificate(here.folder)],
      ]);
      const direct = await play(plain, SCRIPT);
      expect(await play(through!, SCRIPT)).toEqual(direct);
      expect(await play(through!, STARTTLS)).toEqual(await play(plain, STARTTLS));
      const implicit = await play(tls, SCRIPT, { tls: true });
      const cipherUnknown = implicit.messages.map((text) => text.replace(/\(\S+ encrypted\)/, '(encrypted)'));
      expect(cipherUnknown).not.toEqual(implicit.messages);
      expect(await play(secured!, SCRIPT, { tls: true })).toEqual({ ...implicit, messages: cipherUnknown });
    },
  );
});
