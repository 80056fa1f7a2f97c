/** A process for each client: inetd, xinetd, tcpserver, tcpsvd and systemd put it on descriptor 0. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { makePair } from '../tls/secure-server.ts';
import { messagesOf, RunningDaemon, Workplace } from './daemon.ts';
import { CLIENT } from './front.ts';
import { hasProgram } from './needs.ts';
import { freePort } from './receivers/receiver.ts';
import { unpackPackages } from './receivers/unpacked-package.ts';
import { deliver, QPSMTPD, serveStdin, StartedPrograms } from './started.ts';

let place: Workplace;
let started: StartedPrograms;
/** Where a process writes its errors whose standard error stream is the client. */
let errors: string;

beforeEach(() => {
  place = new Workplace({ loglevel: '6' });
  started = new StartedPrograms();
  errors = join(place.folder, 'errors');
});
afterEach(async () => {
  await started.end();
  place.remove();
});

const logged = (): string => (existsSync(errors) ? readFileSync(errors, 'utf8') : '');

/** What each starter is called with, so that it runs `command` for every client of `port`. */
const STARTERS: Readonly<
  Record<string, (port: number, command: readonly string[]) => Promise<readonly string[]>>
> = {
  'openbsd-inetd': async (port, command) => [
    join(await unpackPackages(['openbsd-inetd']), 'usr/sbin/inetd'),
    '-i',
    '-R0',
    inetdConf(port, 'nowait', command),
  ],
  'inetutils-inetd': async (port, command) => [
    join(await unpackPackages(['inetutils-inetd']), 'usr/sbin/inetutils-inetd'),
    '-d',
    inetdConf(port, 'nowait', command),
  ],
  xinetd: async (port, command) => [
    join(await unpackPackages(['xinetd']), 'usr/sbin/xinetd'),
    '-dontfork',
    '-f',
    xinetdConf(port, 'no', command),
    '-pidfile',
    join(place.folder, 'xinetd.pid'),
  ],
  tcpserver: (port, command) =>
    Promise.resolve(['tcpserver', '-H', '-R', '-l0', '127.0.0.1', `${port}`, ...command]),
  tcpsvd: (port, command) => Promise.resolve(['tcpsvd', '127.0.0.1', `${port}`, ...command]),
  'systemd-socket-activate': (port, command) =>
    Promise.resolve([
      'systemd-socket-activate',
      ...['-l', `127.0.0.1:${port}`, '--accept', '--inetd', '-E', `QPSMTPD_STDERR=${errors}`],
      ...command,
    ]),
};

function inetdConf(port: number, wait: 'wait' | 'nowait', command: readonly string[]): string {
  const file = join(place.folder, 'inetd.conf');
  const line = `127.0.0.1:${port} stream tcp ${wait} ${userInfo().username} /usr/bin/env env`;
  writeFileSync(file, `${line} QPSMTPD_STDERR=${errors} ${command.join(' ')}\n`);
  return file;
}

function xinetdConf(port: number, wait: 'yes' | 'no', [server, ...args]: readonly string[]): string {
  const file = join(place.folder, 'xinetd.conf');
  const lines = [
    ...['type = UNLISTED', `port = ${port}`, 'bind = 127.0.0.1', 'socket_type = stream', 'protocol = tcp'],
    ...[
      `wait = ${wait}`,
      `user = ${userInfo().username}`,
      `server = ${server}`,
      `server_args = ${args.join(' ')}`,
    ],
    `env = QPSMTPD_STDERR=${errors}`,
  ];
  writeFileSync(file, `service smtp-test\n{\n${lines.map((line) => `  ${line}\n`).join('')}}\n`);
  return file;
}

test.each(Object.keys(STARTERS))('%s: a message of the right client, and nothing but SMTP', async (name) => {
  const port = await freePort();
  const command = await STARTERS[name]!(port, serveStdin(place));
  started.start(command, name === 'systemd-socket-activate' ? {} : { QPSMTPD_STDERR: errors });
  for (let count = 1; count <= 2; count++) {
    const read = await deliver(await started.client(port));
    expect(read.split('\n').filter((line) => !/^\d{3}[ -]/.test(line))).toEqual([]);
    expect(place.delivered()).toHaveLength(count);
  }
  expect(String(place.delivered()[0])).toMatch(
    new RegExp(`^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT.replaceAll('.', '\\.')}\\)`, 'm'),
  );
});

test.each([
  ['openbsd-inetd', 'usr/sbin/inetd', ['-i', '-R0'], inetdConf, 'wait'],
  ['xinetd', 'usr/sbin/xinetd', ['-dontfork', '-f'], xinetdConf, 'yes'],
] as const)(
  '%s with wait: a daemon on the listening socket, fd:0',
  async (name, path, options, conf, wait) => {
    const port = await freePort();
    const pidFile = join(place.folder, 'pid');
    const command = serveStdin(place, '--workers', '1', '--pid-file', pidFile).map((arg) =>
      arg === 'stdin:' ? 'fd:0' : arg,
    );
    const inetd = join(await unpackPackages([name]), path);
    // Its child leaves the group.
    started.atEnd(
      () => existsSync(pidFile) && process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL'),
    );
    started.start([
      inetd,
      ...options,
      (conf as (port: number, wait: string, command: readonly string[]) => string)(port, wait, command),
    ]);
    for (let count = 0; count < 2; count++) await deliver(await started.client(port));
    expect(String(place.delivered()[0])).toContain(`(${CLIENT})`);
    expect(logged()).toContain(`listening on tcp://127.0.0.1:${port}`);
  },
);

/** tcpserver with variables of its own choice, as a starter of the starter may have left them. */
async function tcpserver(variables: readonly string[], command = serveStdin(place)): Promise<TestClient> {
  const port = await freePort();
  const server = ['tcpserver', '-H', '-R', '-l0', '127.0.0.1', `${port}`, 'env', ...variables, ...command];
  tcpserverLog = started.start(server).said;
  return started.client(port);
}
let tcpserverLog = (): string => '';

describe('the variables of tcpserver', () => {
  test('name and user of the client are taken over', async () => {
    await deliver(await tcpserver(['TCPREMOTEHOST=c1.example', 'TCPREMOTEINFO=joe']));
    expect(String(place.delivered()[0])).toContain(`from joe@c1.example (HELO c.example) (${CLIENT})`);
    expect(tcpserverLog()).toContain('Connection from joe@c1.example');
  });

  test('another address than that of the socket is not believed, and no name with it', async () => {
    await deliver(await tcpserver(['TCPREMOTEIP=192.0.2.1', 'TCPREMOTEHOST=friend.example']));
    expect(String(place.delivered()[0])).toContain(`(${CLIENT})`);
    expect(String(place.delivered()[0])).not.toContain('friend.example');
    expect(tcpserverLog()).toContain(`TCPREMOTEIP says 192.0.2.1, but the client is ${CLIENT}`);
  });

  test('through pipes they alone say who the client is', async () => {
    const variables = 'TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=4000 TCPLOCALIP=192.0.2.8 TCPLOCALPORT=25';
    const script = `cat | env ${variables} "$@" | cat`;
    const { child, ended } = started.start(['sh', '-c', script, 'sh', ...serveStdin(place)], {}, [
      'pipe',
      'pipe',
      'pipe',
    ]);
    let read = '';
    child.stdout!.on('data', (octets) => (read += String(octets)));
    child.stdin!.end(
      'EHLO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@example.test>\r\nBDAT 0 LAST\r\nQUIT\r\n',
    );
    expect(await ended).toBe(0);
    expect(read).toMatch(/^220 [^]*\r\n250 Queued[^\r]*\r\n221 [^\r]*\r\n$/);
    expect(String(place.delivered()[0])).toContain('(192.0.2.7)');
  });

  test('without them a pipe has nobody at its other end', async () => {
    const { ended, said } = started.start([
      'sh',
      '-c',
      'true | "$@" | cat; exit 3',
      'sh',
      ...serveStdin(place),
    ]);
    await ended;
    expect(said()).toContain('TCPREMOTEIP does not say who is at the other end');
  });
});

test('without arguments it serves its client, as the Perl program of its name', async () => {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && !hasProgram('setuidgid')) return;
  place.write({ plugins: 'rcpt_ok' });
  const port = await freePort();
  const command = [process.execPath, QPSMTPD];
  const { said } = started.start(
    [
      'tcpserver',
      '-H',
      '-R',
      '-l0',
      '127.0.0.1',
      `${port}`,
      ...(isRoot ? ['setuidgid', 'nobody'] : []),
      ...command,
    ],
    { QPSMTPD_CONFIG: place.config },
  );
  if (isRoot) {
    chmodSync(place.folder, 0o755);
    mkdirSync(join(place.folder, 'spool'), { mode: 0o700 });
    execFileSync('chown', ['nobody', join(place.folder, 'spool')]);
  }
  const client = await started.client(port);
  expect(await client.reply(), said()).toMatch(/^220 mx\.test/);
  expect(await client.say('QUIT')).toMatch(/^221/);
});

test('STARTTLS works, and the process ends with the session', async () => {
  const { certificate, key } = makePair('mx.test');
  const [crt, pem] = [join(place.folder, 'mx.crt'), join(place.folder, 'mx.key')];
  writeFileSync(crt, certificate);
  writeFileSync(pem, key, { mode: 0o600 });
  place.write({ plugins: `tls ${crt} ${pem}\nrcpt_ok\nqueue/maildir ${place.maildir}` });
  const { client, ended } = await handOver(serveStdin(place));
  const plain = new TestClient(client);
  await plain.reply();
  expect(await plain.say('EHLO c.example')).toContain('STARTTLS');
  expect(await plain.say('STARTTLS')).toMatch(/^220/);
  client.removeAllListeners('data');
  const secure = connectTls({ socket: client, rejectUnauthorized: false });
  await once(secure, 'secureConnect');
  const through = new TestClient(secure);
  expect(await through.say('EHLO c.example')).not.toContain('STARTTLS');
  for (const line of ['MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.test>', 'DATA']) await through.say(line);
  expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
  expect(await through.say('QUIT')).toMatch(/^221/);
  expect(await ended).toBe(0);
  expect(String(place.delivered()[0])).toContain('ESMTPS');
});

/** A client whose connection is descriptors 0, 1 and 2 of `command`, as inetd does it. */
async function handOver(
  [command = '', ...args]: readonly string[],
  before: (client: Socket) => Promise<unknown> = () => Promise.resolve(),
): Promise<{ client: Socket; ended: Promise<number | null>; pid: number }> {
  const server = createServer({ pauseOnConnect: true });
  started.atEnd(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', localAddress: CLIENT });
  client.on('error', () => undefined);
  started.atEnd(() => client.destroy());
  const [accepted] = (await once(server, 'connection')) as [Socket];
  accepted.on('error', () => undefined);
  await before(client);
  const child = spawn(command, args, {
    stdio: [accepted, accepted, accepted],
    env: { ...process.env, QPSMTPD_STDERR: errors },
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  started.atEnd(() => child.kill('SIGKILL'));
  accepted.destroy();
  return { client, ended, pid: child.pid! };
}

describe('nothing but SMTP', () => {
  test('whatever a plugin or Node prints', async () => {
    writeFileSync(
      join(place.folder, 'noisy.mjs'),
      `import { writeSync } from 'node:fs';
      export default { name: 'noisy', about: '', hooks: { connect() {
        console.log('noise'); console.error('noise');
        process.stdout.write('noise'); writeSync(1, 'noise'); writeSync(2, 'noise\\n');
        process.emitWarning('noise'); new Buffer(1);
        setTimeout(() => { throw new Error('noise'); });
      } } };\n`,
    );
    place.write({
      plugin_dirs: place.folder,
      plugins: `noisy\nrcpt_ok\nqueue/maildir ${place.maildir}`,
    });
    const { client, ended } = await handOver(serveStdin(place));
    expect(await deliver(new TestClient(client))).not.toContain('noise');
    expect(await ended).toBe(0);
    expect(logged()).toContain('noise');
  });

  test('a configuration that is broken: the client is told to come back, and the reason is in the log', async () => {
    place.write({ plugins: 'rcpt_okay' });
    const { client, ended } = await handOver(serveStdin(place));
    const through = new TestClient(client);
    expect(await through.reply()).toBe('421 Service not available, closing transmission channel');
    expect(await through.isClosed()).toBe(true);
    expect(await ended).toBe(78);
    expect(logged()).toContain('rcpt_okay');
  });

  test('options that make no sense with one client', async () => {
    const { client, ended } = await handOver(serveStdin(place, '--listen', 'tcp://127.0.0.1:0'));
    expect(await new TestClient(client).reply()).toMatch(/^421/);
    expect(await ended).toBe(64);
    expect(logged()).toContain('no other listener');
  });
});

test('a client that is gone before it is served costs no error', async () => {
  const { ended } = await handOver(serveStdin(place), async (client) => {
    client.resetAndDestroy();
    await once(client, 'close');
  });
  expect(await ended).toBe(0);
  expect(logged()).not.toMatch(/exception|rror/);
});

test.each([
  ['closed', '0<&-', 'it is neither a socket nor a pipe'],
  ['a file', '</dev/null', 'it is neither a socket nor a pipe'],
])('a descriptor 0 that is %s: exit code 71 and the reason', async (_, redirection, reason) => {
  const { ended, said } = started.start(['sh', '-c', `exec "$@" ${redirection}`, 'sh', ...serveStdin(place)]);
  expect(await ended).toBe(71);
  expect(said()).toContain(`stdin: no client on descriptor 0: ${reason}`);
});

test.each([
  ['1 is closed', '1>&-'],
  ['2 is closed', '2>&-'],
  ['both others are closed', '1>&- 2>&-'],
  ['1 is a file', '1>>/dev/null'],
])('a client on descriptor 0 is served where %s', async (_, redirection) => {
  const { client, ended } = await handOver([
    'sh',
    '-c',
    `exec "$@" ${redirection}`,
    'sh',
    ...serveStdin(place),
  ]);
  await deliver(new TestClient(client));
  expect(await ended).toBe(0);
  expect(String(place.delivered()[0])).toContain(`(${CLIENT})`);
});

test('a client behind pipes needs an end to be answered on: exit code 71 and the reason', async () => {
  const script = 'true | env TCPREMOTEIP=192.0.2.7 "$@" >"$0"';
  const { ended, said } = started.start([
    'sh',
    '-c',
    script,
    join(place.folder, 'answers'),
    ...serveStdin(place),
  ]);
  expect(await ended).toBe(71);
  expect(said()).toContain('stdin: no client on descriptor 1: it is neither a socket nor a pipe');
});

test('a listening socket is no client: exit code 71 and the listener that is meant', async () => {
  const server = createServer();
  started.atEnd(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const { ended, said } = started.start(serveStdin(place), {}, [fd, 'pipe', 'pipe']);
  expect(await ended).toBe(71);
  expect(said()).toContain('(the listening socket of an inetd with "wait" is "fd:0")');
});

test('TERM: an idle client is told, and the process ends with 0', async () => {
  const { client, ended, pid } = await handOver(serveStdin(place, '--grace', '1'));
  const through = new TestClient(client);
  await through.reply();
  await through.say('EHLO c.example');
  process.kill(pid, 'SIGTERM');
  expect(await through.reply()).toMatch(/^421/);
  client.end();
  expect(await ended).toBe(0);
});

test('little address space is enough', async () => {
  const limited = ['sh', '-c', 'ulimit -v 2000000; exec "$@"', 'sh', ...serveStdin(place)];
  const { client, ended } = await handOver(limited);
  await deliver(new TestClient(client));
  expect(await ended).toBe(0);
});

test('what it puts into a spool, it leaves to a daemon', async () => {
  const spool = join(place.folder, 'outgoing');
  place.write({ plugins: `rcpt_ok\nqueue/spool ${spool} via maildir ${place.maildir}` });
  const { client, ended } = await handOver(serveStdin(place));
  await deliver(new TestClient(client));
  expect(await ended).toBe(0);
  expect(messagesOf(place.maildir)).toEqual([]);
  const daemon = await RunningDaemon.start(place);
  started.atEnd(() => daemon.end());
  await expect.poll(() => messagesOf(place.maildir).length).toBe(1);
  expect(String(messagesOf(place.maildir)[0])).toContain(`(${CLIENT})`);
});

test.each([
  ['run', 'tcpserver'],
  ['run.tcpsvd', 'tcpsvd'],
])('contrib/tcpserver/%s serves as the user it names', async (file, program) => {
  expect(hasProgram(program), `${program} is missing (apt-get install ucspi-tcp ipsvd)`).toBe(true);
  place.write({ plugins: 'rcpt_ok' });
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? 'nobody' : userInfo().username;
  const settings = { address: '127.0.0.1', port, user, program: QPSMTPD, QPSMTPD_CONFIG: place.config };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(place.folder, 'settings'), lines.join(''));
  mkdirSync(join(place.folder, 'spool'), { mode: 0o700 });
  if (isRoot) {
    chmodSync(place.folder, 0o755);
    execFileSync('chown', ['nobody', join(place.folder, 'spool')]);
  }
  const script = resolve(import.meta.dirname, '../../contrib/tcpserver', file);
  started.start(['sh', '-c', 'cd "$0" && exec "$1"', place.folder, script]);
  const client = await started.client(port);
  expect(await client.reply()).toMatch(/^220 mx\.test/);
  expect(await client.say('QUIT')).toMatch(/^221/);
});
