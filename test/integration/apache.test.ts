/** Apache httpd in front of the daemon, by the module in `contrib/apache` as apxs2 builds it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { beforeEach, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { RunningProgram } from '../process/running-program.ts';
import { makePair } from '../tls/secure-server.ts';
import { CLIENT, connected, BANNER_TO_QUIT, sayAtOnce } from './front.ts';
import {
  BY_RELAY,
  apacheTests,
  hasModPerl,
  startHttpd as startHttpdIn,
  withCertificate,
  type Httpd,
  type Mpm,
  type VirtualHost,
} from './httpd.ts';
import { describeWith } from './needs.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const here = apacheTests('apache');
let socket: string;
beforeEach(() => {
  socket = join(here.folder, 'front.sock');
  mkdirSync(join(here.folder, 'config'));
  mkdirSync(join(here.folder, 'spool'), { mode: 0o700 });
  const files = {
    plugins: `rcpt_ok\nqueue/maildir ${join(here.folder, 'Maildir')}`,
    rcpthosts: 'example.com',
    spool_dir: join(here.folder, 'spool'),
    me: 'mx.example.com',
    listeners: `unix:${socket} mode=0666 proxy=required`,
  };
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(here.folder, 'config', name), `${text}\n`);
});

async function serve(): Promise<RunningProgram> {
  const args = ['serve', '--config', join(here.folder, 'config'), '--workers', '1'];
  const program = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args);
  here.ends.push(() => program.dispose());
  await program.out.find(/listening on/);
  return program;
}

interface Setup {
  /** Lines for all of httpd. */
  readonly more?: readonly string[];
  /** Lines for the virtual host, besides those that hand its connections on. */
  readonly host?: readonly string[];
  readonly by?: readonly [modules: readonly string[], handsOn: readonly string[]];
  readonly others?: readonly VirtualHost[];
}

/** httpd with a virtual host that speaks SMTP, and others if wanted. */
async function startHttpd(
  mpm: Mpm,
  { more = [], host = [], by = [here.module, [`QpsmtpdSocket ${socket}`]], others = [] }: Setup = {},
): Promise<Httpd> {
  const hosts = [{ lines: [...by[1], ...host] }, ...others];
  const httpd = await startHttpdIn(here.folder, mpm, [...by[0], ...more], hosts);
  here.ends.push(() => httpd.end());
  return httpd;
}

/** Connected as soon as httpd listens, and ended with the test. */
async function connectedClient(port: number): Promise<Socket> {
  const stream = await connected(port);
  here.ends.push(() => stream.destroy());
  return stream;
}

const client = async (port: number): Promise<TestClient> => new TestClient(await connectedClient(port));

async function deliver(through: TestClient, body = 'x'): Promise<string> {
  for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>'])
    expect(await through.say(line), line).toMatch(/^250/);
  expect(await through.say('DATA')).toMatch(/^354/);
  through.send(`Subject: x\r\n\r\n${body}\r\n.\r\n`);
  expect(await through.reply()).toMatch(/^250 Queued/);
  expect(await through.say('QUIT')).toMatch(/^221/);
  const [name] = readdirSync(join(here.folder, 'Maildir/new'));
  return readFileSync(join(here.folder, 'Maildir/new', name!), 'latin1');
}

/** A client inside TLS, and the cipher it got. */
async function secured(
  port: number,
  pair: { readonly cert?: string; readonly key?: string } = {},
): Promise<{ through: TestClient; cipher: string }> {
  const stream = connectTls({
    ...pair,
    socket: await connectedClient(port),
    servername: 'mx.example.com',
    rejectUnauthorized: false,
  });
  stream.on('error', () => undefined);
  await once(stream, 'secureConnect');
  return { through: new TestClient(stream), cipher: stream.getCipher().name };
}

/** A virtual host in which httpd serves a page of its own. */
function website(): VirtualHost {
  const root = join(here.folder, 'pages');
  mkdirSync(root);
  writeFileSync(join(root, 'page'), 'a page');
  return { protocol: 'http', lines: [`DocumentRoot ${root}`] };
}

/** The page, or why it did not come within a minute. */
async function getPage(port: number): Promise<string> {
  const request = get({ port, host: '127.0.0.1', path: '/page', agent: false, timeout: 60_000 });
  request.once('timeout', () => request.destroy(new Error('no page within a minute')));
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return text(answer);
}

function expectHalfServed(greetings: readonly string[]): void {
  const served = greetings.filter((greeting) => greeting.startsWith('220 '));
  // Clients that come at the same moment may both be counted and both be refused.
  expect(served.length).toBeLessThanOrEqual(25);
  expect(served.length).toBeGreaterThan(0);
  for (const greeting of greetings.filter((each) => !served.includes(each)))
    expect(greeting).toBe('421 4.3.2 Too many connections, please try again later');
}

describeWith('apxs2', 'apache2-dev')('mod_qpsmtpd', () => {
  test.each(['event', 'prefork'] as const)(
    '%s: the client stands in Received, megabytes pass',
    async (mpm) => {
      await serve();
      const { port } = await startHttpd(mpm);
      const through = await client(port);
      expect(await through.reply()).toMatch(/^220 mx\.example\.com/);
      const message = await deliver(through, `${'x'.repeat(998)}\r\n`.repeat(4_000));
      expect(message).toContain(`(${CLIENT})`);
      expect(message.length).toBeGreaterThan(3_900_000);
    },
  );

  test('event: idle sessions hold no worker, and half a connection is enough', async () => {
    await serve();
    const { port } = await startHttpd('event', {
      more: [
        'ServerLimit 1',
        'StartServers 1',
        'ThreadsPerChild 4',
        'ThreadLimit 4',
        'MaxRequestWorkers 4',
        'MinSpareThreads 1',
        'MaxSpareThreads 4',
      ],
    });
    const idle = await Promise.all(Array.from({ length: 40 }, () => client(port)));
    for (const each of idle) expect(await each.reply()).toMatch(/^220/);
    expect(await sayAtOnce(await connectedClient(port))).toMatch(BANNER_TO_QUIT);
  });

  test.each(['event', 'prefork'] as const)(
    '%s with mod_ssl: the cipher stands in Received, no STARTTLS',
    async (mpm) => {
      await serve();
      const { port } = await startHttpd(mpm, { host: withCertificate(here.folder) });
      const { through, cipher } = await secured(port);
      expect(await through.reply()).toMatch(/^220/);
      expect(await through.say('EHLO c.example')).not.toContain('STARTTLS');
      expect(await deliver(through)).toContain(`(${cipher} encrypted)`);
    },
  );

  test('with mod_ssl: the client certificate and the name that was asked for arrive', async () => {
    const [known, stranger] = [makePair('client one'), makePair('eve')];
    const authorities = join(here.folder, 'clients.pem');
    writeFileSync(authorities, known.certificate);
    writeFileSync(join(here.folder, 'config/loglevel'), '6\n');
    const program = await serve();
    const { port } = await startHttpd('event', {
      host: [
        ...withCertificate(here.folder),
        'SSLVerifyClient optional_no_ca',
        `SSLCACertificateFile ${authorities}`,
      ],
    });
    const facts = / by proxy TLSv1\.[23] \S+ for mx\.example\.com(.*)$/;
    const told = async (pair?: { readonly certificate: string; readonly key: string }): Promise<string> => {
      const seen = program.err.all.length;
      const { through } = await secured(port, pair && { cert: pair.certificate, key: pair.key });
      expect(await through.reply()).toMatch(/^220/);
      return (await program.err.find(facts, seen))[1]!;
    };
    expect(await told(known)).toBe(', client client one');
    expect(await told(stranger)).toBe(', client eve (not verified)');
    expect(await told()).toBe('');
  });

  test('sessions that hold workers are limited: the next client is told to come back', async () => {
    await serve();
    const { port } = await startHttpd('event', {
      more: ['QpsmtpdMaxSessions 2'],
      host: withCertificate(here.folder),
    });
    for (let count = 0; count < 2; count++)
      expect(await (await secured(port)).through.reply()).toMatch(/^220/);
    expect(await (await secured(port)).through.reply()).toBe(
      '421 4.3.2 Too many connections, please try again later',
    );
  });

  const FIFTY = ['MaxRequestWorkers 50', 'ServerLimit 50'];
  const FIFTY_THREADS = ['MaxRequestWorkers 50', 'ServerLimit 2', 'ThreadsPerChild 25', 'ThreadLimit 25'];

  test('event: nothing is lost of what an end does not take at once', async () => {
    const daemon = await serve();
    const { port } = await startHttpd('event');
    const deaf = await connectedClient(port);
    const hellos = 9_000;
    // Replies of two megabytes to a client that reads nothing.
    deaf.pause();
    deaf.write('EHLO c.example\r\n'.repeat(hellos));
    deaf.write('QUIT\r\n');
    // Four megabytes to a daemon that reads nothing, until httpd has had time to meet that.
    const through = await client(port);
    for (const line of [
      '220',
      'EHLO c.example',
      'MAIL FROM:<a@c.example>',
      'RCPT TO:<b@example.com>',
      'DATA',
    ])
      expect(await (line === '220' ? through.reply() : through.say(line))).toMatch(/^(220|250|354)/);
    daemon.kill('SIGSTOP');
    const body = `${'x'.repeat(998)}\r\n`.repeat(4_000);
    through.send(`Subject: x\r\n\r\n${body}.\r\n`);
    const other = await connectedClient(port);
    await expect.poll(() => through.stream.writableLength).toBeLessThan(3_900_000);
    daemon.kill('SIGCONT');
    await once(other, 'data');
    expect(await through.reply()).toMatch(/^250 Queued/);
    const [name] = readdirSync(join(here.folder, 'Maildir/new'));
    expect(readFileSync(join(here.folder, 'Maildir/new', name!), 'latin1')).toContain(
      body.replaceAll('\r', ''),
    );
    const heard = await text(deaf);
    expect(heard.match(/^250-mx\.example\.com Hi /gm)?.length).toBe(hellos);
    expect(heard).toMatch(/\r\n221 [^\n]*\r\n$/);
  });

  test('event: 60 idle sessions leave all workers to the web', async () => {
    await serve();
    const { ports } = await startHttpd('event', { more: FIFTY_THREADS, others: [website()] });
    const idle = await Promise.all(Array.from({ length: 60 }, () => client(ports[0]!)));
    for (const each of idle) expect(await each.reply()).toMatch(/^220/);
    expect(await getPage(ports[1]!)).toBe('a page');
    for (const each of idle) expect(await each.say('NOOP')).toMatch(/^250/);
  });

  test('prefork: of 60 clients at once half of the workers serve, the others are told to come back', async () => {
    await serve();
    const { ports } = await startHttpd('prefork', { more: FIFTY, others: [website()] });
    const all = await Promise.all(Array.from({ length: 60 }, () => client(ports[0]!)));
    const greetings = await Promise.all(all.map((each) => each.reply()));
    expectHalfServed(greetings);
    expect(await getPage(ports[1]!)).toBe('a page');
  });

  test('event with mod_ssl: the same, and clients that begin no handshake hold no more', async () => {
    await serve();
    const { ports } = await startHttpd('event', {
      more: FIFTY_THREADS,
      host: withCertificate(here.folder),
      others: [website()],
    });
    const all: TestClient[] = [];
    const greetings: string[] = [];
    for (let count = 0; count < 60; count++) {
      const { through } = await secured(ports[0]!);
      greetings.push(await through.reply());
      all.push(through);
    }
    expectHalfServed(greetings);
    expect(greetings.indexOf('421 4.3.2 Too many connections, please try again later')).toBe(25);
    expect(await getPage(ports[1]!)).toBe('a page');
    for (const each of all) each.destroy();
    const silent = await Promise.all(Array.from({ length: 60 }, () => connectedClient(ports[0]!)));
    let closed = 0;
    for (const each of silent)
      each
        .resume()
        .once('close', () => closed++)
        .on('end', () => each.end());
    await expect.poll(() => closed).toBeGreaterThanOrEqual(22);
    expect(await getPage(ports[1]!)).toBe('a page');
  });

  test('a daemon that accepts nobody holds no worker: clients beyond its line are told to come back', async () => {
    // Listens for two clients, as one that is stopped would.
    const listens =
      'socket(S,1,1,0);bind(S,pack_sockaddr_un($ARGV[0]));chmod 0666,$ARGV[0];listen(S,1);print "\\n";<STDIN>';
    const stuck = spawn('perl', ['-MSocket', '-e', `$|=1;${listens}`, socket], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    here.ends.push(() => stuck.kill('SIGKILL'));
    await once(stuck.stdout, 'data');
    const { ports } = await startHttpd('event', { more: FIFTY_THREADS, others: [website()] });
    const all = await Promise.all(Array.from({ length: 60 }, () => client(ports[0]!)));
    expect(await getPage(ports[1]!)).toBe('a page');
    const first = await Promise.any(all.map((each) => each.reply()));
    expect(first).toBe('421 4.3.2 The mail service is not running, please try again later');
    stuck.kill('SIGKILL');
  });

  test('a session goes on through a graceful restart', async () => {
    await serve();
    const httpd = await startHttpd('event');
    const through = await client(httpd.port);
    expect(await through.reply()).toMatch(/^220/);
    httpd.signal('graceful');
    expect(await (await client(httpd.port)).reply()).toMatch(/^220/);
    expect(await deliver(through)).toContain(`(${CLIENT})`);
  });

  test('without a daemon the client is told to come back', async () => {
    const { port } = await startHttpd('event');
    const turnedAway = await client(port);
    expect(await turnedAway.reply()).toBe(
      '421 4.3.2 The mail service is not running, please try again later',
    );
    expect(await turnedAway.isClosed()).toBe(true);
  });
});

describeWith('apache2', 'apache2')('Qpsmtpd::Relay under mod_perl', () => {
  const relayed = (...more: readonly string[]): readonly [readonly string[], readonly string[]] => [
    BY_RELAY,
    ['PerlProcessConnectionHandler Qpsmtpd::Relay', `PerlSetVar QpsmtpdSocket ${socket}`, ...more],
  ];

  test.skipIf(!hasModPerl).each(['event', 'prefork'] as const)(
    '%s: the client stands in Received, megabytes pass, half a connection is enough',
    async (mpm) => {
      await serve();
      const { port } = await startHttpd(mpm, { by: relayed() });
      const through = await client(port);
      expect(await through.reply()).toMatch(/^220 mx\.example\.com/);
      const message = await deliver(through, `${'x'.repeat(998)}\r\n`.repeat(4_000));
      expect(message).toContain(`(${CLIENT})`);
      expect(message.length).toBeGreaterThan(3_900_000);
      expect(await sayAtOnce(await connectedClient(port))).toMatch(BANNER_TO_QUIT);
    },
  );

  test.skipIf(!hasModPerl)('with mod_ssl: no STARTTLS', async () => {
    await serve();
    const { port } = await startHttpd('prefork', {
      by: relayed('PerlSetVar QpsmtpdTls 1'),
      host: withCertificate(here.folder),
    });
    const { through } = await secured(port);
    expect(await through.reply()).toMatch(/^220/);
    expect(await through.say('EHLO c.example')).not.toContain('STARTTLS');
    expect(await deliver(through)).toContain(`(${CLIENT})`);
  });

  test.skipIf(!hasModPerl)('without a daemon the client is told to come back', async () => {
    const { port } = await startHttpd('prefork', { by: relayed() });
    const turnedAway = await client(port);
    expect(await turnedAway.reply()).toBe(
      '421 4.3.2 The mail service is not running, please try again later',
    );
  });
});
