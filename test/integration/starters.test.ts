/** A process for each client: inetd, xinetd, tcpserver, tcpsvd and systemd put it on descriptor 0. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
import { unpackPackages } from './receivers/unpacked-package.ts';
import { deliver, QPSMTPD, serveStdin, StartedPrograms } from './started.ts';
import { freePort } from '../free-port.ts';

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

const CONTRIB = resolve(import.meta.dirname, '../../contrib');
const isRoot = process.getuid?.() === 0;
/** Whom a starter runs its servers as. */
const USER = isRoot ? 'nobody' : userInfo().username;

/** The user may read the configuration, and write mail and the log. */
function letUserIn(): void {
  mkdirSync(join(place.folder, 'spool'), { recursive: true, mode: 0o700 });
  if (!isRoot) return;
  chmodSync(place.folder, 0o755);
  execFileSync('chown', ['-R', USER, place.folder]);
}

/** A server that a starter calls, as its example in `contrib` has it. */
type Form = 'each client' | 'daemon' | 'launcher';

/** The daemon's socket behind the launcher. */
const socketPath = (): string => join(place.folder, 'front.sock');

/** Text of `contrib` with the paths and the user of this test. */
const placed = (text: string): string =>
  text
    .replaceAll('/usr/bin/qpsmtpd-connect', join(place.folder, 'qpsmtpd-connect'))
    .replaceAll('/usr/bin/qpsmtpd', QPSMTPD)
    .replaceAll('/etc/qpsmtpd', place.config)
    .replaceAll('/run/qpsmtpd/front.sock', socketPath())
    .replaceAll(/\bsmtpd\b/g, USER);

/** The line of contrib/inetd/inetd.conf, on a port of this host. */
function inetdConf(port: number, form: Form): string {
  const marks = { 'each client': ' env QPSMTPD_CONFIG', daemon: ' fd:0', launcher: ' qpsmtpd-connect' };
  const [line = '', ...others] = readFileSync(join(CONTRIB, 'inetd/inetd.conf'), 'utf8')
    .split('\n')
    .filter((text) => /^#?smtp stream/.test(text) && text.includes(marks[form]));
  expect([line, others]).toEqual([expect.stringContaining('smtp stream tcp'), []]);
  const file = join(place.folder, 'inetd.conf');
  writeFileSync(file, `${placed(line).replace(/^#?smtp/, `127.0.0.1:${port}`)}\n`);
  return file;
}

/** The entry of contrib/inetd/xinetd.conf, with the lines that a form puts in place of others, on a port of this host. */
function xinetdConf(port: number, form: Form): string {
  const [, entry = '', ...forms] = placed(readFileSync(join(CONTRIB, 'inetd/xinetd.conf'), 'utf8')).split(
    /^\{\n|^\}\n# In place[^\n]*\n|^# Or[^\n]*\n/m,
  );
  const instead = { 'each client': '', daemon: forms[0], launcher: forms[1] }[form];
  const settings = new Map(
    [...`${entry}${instead}`.matchAll(/^[# ]+(\w+) *= (.+)$/gm)].map(([, name, value]) => [name, value]),
  );
  expect(settings.size).toBe(form === 'each client' ? 9 : 10);
  for (const [name, value] of [
    ['type', 'UNLISTED'],
    ['port', `${port}`],
    ['bind', '127.0.0.1'],
  ])
    settings.set(name, value);
  const lines = [...settings].map(([name, value]) => `${name} = ${value}\n`);
  const file = join(place.folder, 'xinetd.conf');
  writeFileSync(file, `service smtp-test\n{\n${lines.join('')}}\n`);
  return file;
}

/** What super-servers are called with, so that they run the server of `contrib` for clients of `port`. */
const SUPER_SERVERS: Readonly<Record<string, (port: number, form: Form) => Promise<readonly string[]>>> = {
  'openbsd-inetd': async (port, form) => [
    join(await unpackPackages(['openbsd-inetd']), 'usr/sbin/inetd'),
    '-i',
    '-R0',
    inetdConf(port, form),
  ],
  'inetutils-inetd': async (port, form) => [
    join(await unpackPackages(['inetutils-inetd']), 'usr/sbin/inetutils-inetd'),
    '-d',
    inetdConf(port, form),
  ],
  xinetd: async (port, form) => [
    join(await unpackPackages(['xinetd']), 'usr/sbin/xinetd'),
    '-dontfork',
    '-f',
    xinetdConf(port, form),
    '-pidfile',
    join(place.folder, 'xinetd.pid'),
  ],
};

/** The same for programs that have their server on the command line. */
const STARTERS: Readonly<Record<string, (port: number, command: readonly string[]) => readonly string[]>> = {
  tcpserver: (port, command) => ['tcpserver', '-H', '-R', '-l0', '127.0.0.1', `${port}`, ...command],
  tcpsvd: (port, command) => ['tcpsvd', '127.0.0.1', `${port}`, ...command],
  'systemd-socket-activate': (port, command) => [
    'systemd-socket-activate',
    ...['-l', `127.0.0.1:${port}`, '--accept', '--inetd', '-E', `QPSMTPD_STDERR=${errors}`],
    ...command,
  ],
};

/** Two messages, through two connections. */
async function deliverTwo(port: number): Promise<void> {
  for (let count = 1; count <= 2; count++) {
    const read = await deliver(await started.client(port));
    expect(read.split('\n').filter((line) => !/^\d{3}[ -]/.test(line))).toEqual([]);
    expect(place.delivered()).toHaveLength(count);
  }
  expect(String(place.delivered()[0])).toMatch(
    new RegExp(`^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT.replaceAll('.', '\\.')}\\)`, 'm'),
  );
}

test.each(Object.keys(STARTERS))('%s: a message of the right client, and nothing but SMTP', async (name) => {
  const port = await freePort();
  const command = STARTERS[name]!(port, serveStdin(place));
  started.start(command, name === 'systemd-socket-activate' ? {} : { QPSMTPD_STDERR: errors });
  await deliverTwo(port);
});

describe.each(Object.keys(SUPER_SERVERS))('%s with the example of contrib/inetd', (name) => {
  test('a process for each client', async () => {
    const port = await freePort();
    const command = await SUPER_SERVERS[name]!(port, 'each client');
    letUserIn();
    started.start(command, { QPSMTPD_STDERR: errors });
    await deliverTwo(port);
  });

  test('with wait: a daemon on the listening socket', async () => {
    const port = await freePort();
    const command = await SUPER_SERVERS[name]!(port, 'daemon');
    letUserIn();
    // It leaves the group of its starter.
    started.atEnd(() => processesOf(place.config).forEach((pid) => process.kill(pid, 'SIGKILL')));
    started.start(command, { QPSMTPD_STDERR: errors });
    await deliverTwo(port);
    await expect.poll(logged).toContain(`listening on tcp://127.0.0.1:${port}`);
  });

  test('a client handed to a running daemon by the launcher', async () => {
    const port = await freePort();
    const command = await SUPER_SERVERS[name]!(port, 'launcher');
    const source = join(CONTRIB, 'launcher/qpsmtpd-connect.c');
    execFileSync('cc', ['-O2', '-o', join(place.folder, 'qpsmtpd-connect'), source]);
    const daemon = await RunningDaemon.start(place, { listen: [`unix:${socketPath()} proxy=required`] });
    started.atEnd(() => daemon.end());
    // The socket is the user's then.
    letUserIn();
    started.start(command);
    await deliverTwo(port);
  });
});

/** Those that were started with this argument. */
function processesOf(argument: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(argument)
          ? [Number(pid)]
          : [];
      } catch {
        // It is gone.
        return [];
      }
    });
}

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

test('programs that plugins run learn neither of the supervisor nor of sockets', async () => {
  writeFileSync(
    join(place.folder, 'look.mjs'),
    `export default { name: 'look', about: '', hooks: { connect() {
      const names = Object.keys(process.env).filter((name) => /^(?:NOTIFY|WATCHDOG|LISTEN|QPSMTPD)_/.test(name));
      console.error('left: ' + names.join(' '));
    } } };\n`,
  );
  place.write({ plugin_dirs: place.folder, plugins: 'look' });
  const supervisor = { NOTIFY_SOCKET: '/none', WATCHDOG_USEC: '1', WATCHDOG_PID: '1' };
  const sockets = { LISTEN_FDS: '1', LISTEN_PID: '1', LISTEN_FDNAMES: 'smtp' };
  const environment = { ...supervisor, ...sockets, QPSMTPD_STDERR: errors };
  const { client } = await handOver(serveStdin(place), undefined, environment);
  await new TestClient(client).reply();
  expect(logged()).toContain('left: QPSMTPD_STDERR\n');
});

test('without arguments it serves its client, as the Perl program of its name', async () => {
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
  letUserIn();
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
  environment: Readonly<Record<string, string>> = { QPSMTPD_STDERR: errors },
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
    env: { ...process.env, ...environment },
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  started.atEnd(() => child.kill('SIGKILL'));
  accepted.destroy();
  return { client, ended, pid: child.pid! };
}

/** An environment in which what goes to syslog by `logger` goes to `file`, with its priority. */
function syslogTo(file: string): Readonly<Record<string, string>> {
  const programs = join(place.folder, 'bin');
  mkdirSync(programs);
  writeFileSync(join(programs, 'logger'), `#!/bin/sh\nexec cat >> ${file}\n`, { mode: 0o755 });
  return { PATH: `${programs}:${process.env['PATH']}` };
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

  test.each([
    [['--listen', 'tcp://127.0.0.1:0'], 64, 'no other listener'],
    [['--detach'], 64, '--detach makes no sense with stdin:'],
    [['--drain-delay', '5'], 64, '--drain-delay makes no sense with stdin:'],
    [['--lisen', 'x'], 64, '--lisen'],
    [['--config', '/nowhere'], 78, '/nowhere'],
  ])('%j: the client is told to come back, and the reason is in the log', async (options, code, reason) => {
    const { client, ended } = await handOver(serveStdin(place, ...options));
    expect(await new TestClient(client).reply()).toMatch(/^421/);
    expect(await ended).toBe(code);
    expect(logged()).toContain(reason);
  });

  test('without QPSMTPD_STDERR the reason is in syslog', async () => {
    const { client, ended } = await handOver(serveStdin(place, '--lisen', 'x'), undefined, syslogTo(errors));
    expect(await new TestClient(client).reply()).toMatch(/^421/);
    expect(await ended).toBe(64);
    await expect.poll(logged).toMatch(/^<22>.*--lisen/m);
  });

  test.each([1, 2])(
    'the log of a daemon on the socket of inetd is in syslog, with %d processes that serve',
    async (workers) => {
      place.write({ plugins: '' });
      const server = createServer();
      started.atEnd(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
      const command = serveStdin(place, '--workers', `${workers}`).map((arg) =>
        arg === 'stdin:' ? 'fd:0' : arg,
      );
      started.start(command, syslogTo(errors), [fd, fd, fd]);
      await expect.poll(logged, { timeout: 30_000 }).toContain('listening on tcp://127.0.0.1');
      // Of what serves, which with workers is another process.
      await expect.poll(logged).toMatch(/^<22>.*plugins lists no plugin/m);
    },
  );
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
  const settings = { address: '127.0.0.1', port, user: USER, program: QPSMTPD, QPSMTPD_CONFIG: place.config };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(place.folder, 'settings'), lines.join(''));
  letUserIn();
  const script = join(CONTRIB, 'tcpserver', file);
  started.start(['sh', '-c', 'cd "$0" && exec "$1"', place.folder, script]);
  const client = await started.client(port);
  expect(await client.reply()).toMatch(/^220 mx\.test/);
  expect(await client.say('QUIT')).toMatch(/^221/);
});
