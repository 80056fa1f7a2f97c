/** The daemon behind HAProxy, and behind super-servers that hand it their connections by the launcher in `contrib`. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { CLIENT, connected, BANNER_TO_QUIT, sayAtOnce } from './front.ts';
import { FrontedDaemon, RECEIVED_FROM_CLIENT } from './fronted-daemon.ts';
import { describeWith } from './needs.ts';
import { makePair } from '../tls/secure-server.ts';
import { freePort } from '../free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let daemon: FrontedDaemon;

beforeEach(() => {
  daemon = new FrontedDaemon();
  daemon.configure('listeners', 'tcp://127.0.0.1:0 proxy=required', `unix:${daemon.socket} proxy=required`);
});
afterEach(() => daemon.end());

/** HAProxy with these sections behind its defaults. */
function startHaproxy(...sections: readonly string[]): void {
  const file = join(daemon.folder, 'haproxy.cfg');
  const defaults = [
    'global',
    ` stats socket ${join(daemon.folder, 'stats.sock')} mode 600 level admin`,
    'defaults',
    ' mode tcp',
    ' timeout connect 3s',
    ' timeout client 60s',
    ' timeout server 60s',
  ];
  writeFileSync(file, `${[...defaults, ...sections].join('\n')}\n`);
  daemon.run('haproxy', ['-db', '-f', file]);
}

async function askHaproxy(command: string): Promise<string> {
  const stream = connectTcp({ path: join(daemon.folder, 'stats.sock') });
  let text = '';
  stream.on('data', (octets) => (text += String(octets)));
  stream.end(`${command}\n`);
  await once(stream, 'close');
  return text;
}

/** What HAProxy takes the back end for, by its statistics: `UP`, `DOWN`, and the last check, `L7OK` and the like. */
async function health(): Promise<string> {
  const columns = (await askHaproxy('show stat'))
    .split('\n')
    .find((line) => line.startsWith('edge,edge1,'))!
    .split(',');
  return `${columns[17]} ${columns[36]}`;
}

/** Whether the back end gets clients, by `show servers state`: 2 if it does, 0 if it is down. */
async function operationalState(): Promise<string | undefined> {
  const line = (await askHaproxy('show servers state edge')).split('\n').find((text) => / edge1 /.test(text));
  return line?.split(' ')[5];
}

/** The daemon has a certificate; returns the file that has it with its key. */
function useOwnTls(): string {
  const { certificate, key, both } = daemon.makeCertificate();
  daemon.configure(
    'plugins',
    `tls ${certificate} ${key} ${certificate}`,
    'rcpt_ok',
    `queue/maildir ${join(daemon.folder, 'Maildir')}`,
  );
  return both;
}

describeWith('haproxy', 'haproxy')('HAProxy', () => {
  test.each(['send-proxy', 'send-proxy-v2 proxy-v2-options unique-id,crc32c'])(
    '%s: the client and not the proxy stands in Received',
    async (how) => {
      const port = await freePort();
      const program = daemon.serve();
      await program.out.find(/listening on/);
      startHaproxy(
        'frontend mx',
        ` bind 127.0.0.1:${port}`,
        ' unique-id-format uid-%ci',
        ' default_backend edge',
        'backend edge',
        ` server edge1 unix@${daemon.socket} ${how}`,
      );
      const message = await daemon.deliver(await daemon.client(port));
      expect(message).toMatch(new RegExp(`^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT}\\)`, 'm'));
      if (how.includes('unique-id'))
        await program.err.find(/by proxy 127\.0\.0\.1, its connection uid-127\.0\.0\.9/);
    },
  );

  test('version 2 with all its fields: port, server name, client certificate, cipher, unique id', async () => {
    const port = await freePort();
    const { both } = daemon.makeCertificate();
    const [known, stranger] = [makePair('client one'), makePair('eve')];
    writeFileSync(join(daemon.folder, 'clients.pem'), known.certificate);
    const program = daemon.serve();
    const inside = await program.port();
    startHaproxy(
      'frontend smtps',
      ` bind 127.0.0.1:${port} ssl crt ${both} verify optional ca-file ${join(daemon.folder, 'clients.pem')} ca-ignore-err all crt-ignore-err all`,
      ' unique-id-format uid-%ci-%cp',
      ' default_backend edge',
      'backend edge',
      ` server edge1 127.0.0.1:${inside} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id`,
    );
    const { client, stream } = await daemon.secureClient(port, {
      cert: known.certificate,
      key: known.key,
    });
    const { name: cipher, version } = stream.getCipher();
    const localPort = stream.localPort!;
    expect(await client.reply()).toMatch(/^220/);
    expect(await client.say('EHLO c.example')).not.toContain('STARTTLS');
    const message = await daemon.send(client);
    expect(message).toMatch(RECEIVED_FROM_CLIENT);
    expect(message).toContain(` with ESMTPS (${cipher} encrypted); `);
    await program.err.find(new RegExp(`connection uid-${CLIENT}-${localPort}$`));
    await program.err.find(
      new RegExp(`by proxy ${version} ${cipher} for mx\\.example\\.com, client client one$`),
    );
    await program.err.find(new RegExp(`transaction .* client=${CLIENT}:${localPort} .* tls=${version} `));
    const other = await daemon.secureClient(port, { cert: stranger.certificate, key: stranger.key });
    expect(await other.client.reply()).toMatch(/^220/);
    await program.err.find(/, client eve \(not verified\)$/);
    const nobody = await daemon.secureClient(port);
    expect(await nobody.client.reply()).toMatch(/^220/);
    await program.err.find(/by proxy TLSv1\.\d \S+ for mx\.example\.com$/);
  });

  test('STARTTLS passes through, and is ours', async () => {
    const port = await freePort();
    useOwnTls();
    await daemon.serve().out.find(/listening on/);
    startHaproxy(
      'frontend mx',
      ` bind 127.0.0.1:${port}`,
      ' default_backend edge',
      'backend edge',
      ` server edge1 unix@${daemon.socket} send-proxy-v2 proxy-v2-options ssl`,
    );
    const message = await daemon.send(await daemon.upgradedClient(port));
    expect(message).toMatch(RECEIVED_FROM_CLIENT);
    expect(message).toMatch(/ with ESMTPS \(TLS_\S+ encrypted\); /);
  });

  test('TLS between HAProxy and us begins after the header', async () => {
    const port = await freePort();
    useOwnTls();
    daemon.configure('listeners', 'tcp://127.0.0.1:0 tls=implicit proxy=required');
    const inside = await daemon.serve().port();
    startHaproxy(
      'frontend mx',
      ` bind 127.0.0.1:${port}`,
      ' default_backend edge',
      'backend edge',
      ` server edge1 127.0.0.1:${inside} send-proxy-v2 ssl verify none`,
    );
    const message = await daemon.deliver(await daemon.client(port));
    expect(message).toMatch(RECEIVED_FROM_CLIENT);
    expect(message).toMatch(/ with ESMTPS \(TLS_\S+ encrypted\); /);
  });

  test('TLS that HAProxy ends, and another that it begins with us: the facts are those of the client', async () => {
    const port = await freePort();
    const both = useOwnTls();
    daemon.configure('listeners', 'tcp://127.0.0.1:0 tls=implicit proxy=required');
    const program = daemon.serve();
    const inside = await program.port();
    startHaproxy(
      'frontend smtps',
      ` bind 127.0.0.1:${port} ssl crt ${both} ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2`,
      ' default_backend edge',
      'backend edge',
      ` server edge1 127.0.0.1:${inside} send-proxy-v2 proxy-v2-options ssl,ssl-cipher,authority ssl verify none ssl-min-ver TLSv1.3`,
    );
    const { client, stream } = await daemon.secureClient(port);
    const message = await daemon.deliver(client);
    expect(message).toMatch(RECEIVED_FROM_CLIENT);
    expect(message).toContain(` with ESMTPS (${stream.getCipher().name} encrypted); `);
    await program.err.find(/by proxy TLSv1\.2 \S+ for mx\.example\.com$/);
  });

  test.each(['send-proxy', 'send-proxy-v2'])('%s: a client of IPv6', async (how) => {
    const port = await freePort();
    await daemon.serve().out.find(/listening on/);
    startHaproxy(
      'frontend mx',
      ` bind [::1]:${port}`,
      ' default_backend edge',
      'backend edge',
      ` server edge1 unix@${daemon.socket} ${how}`,
    );
    const stream = await connected(port, '::1');
    daemon.atEnd(() => stream.destroy());
    expect(await daemon.deliver(new TestClient(stream))).toMatch(
      /^Received: from \S+ \(HELO c\.example\) \(::1\)/m,
    );
  });

  test('a chain of two: the header of the second names the client of the first', async () => {
    const [port, middle] = [await freePort(), await freePort()];
    const program = daemon.serve();
    await program.out.find(/listening on/);
    startHaproxy(
      'frontend outer',
      ` bind 127.0.0.1:${port}`,
      ' default_backend inner',
      'backend inner',
      ` server inner1 127.0.0.1:${middle} send-proxy-v2`,
      'frontend mx',
      ` bind 127.0.0.1:${middle} accept-proxy`,
      ' default_backend edge',
      'backend edge',
      ` server edge1 unix@${daemon.socket} send-proxy-v2 proxy-v2-options crc32c`,
    );
    expect(await daemon.deliver(await daemon.client(port))).toMatch(RECEIVED_FROM_CLIENT);
  });

  test('its health checks are answered and leave no trace; a daemon that drains gets no more clients', async () => {
    const [port, other] = [await freePort(), await freePort()];
    const program = daemon.serve();
    await program.out.find(/listening on/);
    const substitute = createServer((socket) => socket.end('220 substitute\r\n')).listen(other, '127.0.0.1');
    daemon.atEnd(() => substitute.close());
    startHaproxy(
      'frontend mx',
      ` bind 127.0.0.1:${port}`,
      ' default_backend edge',
      'backend edge',
      ' option smtpchk EHLO balancer.example',
      ` server edge1 unix@${daemon.socket} send-proxy-v2 check inter 100ms fall 2 rise 1`,
      ` server edge2 127.0.0.1:${other} backup`,
    );
    const client = await daemon.client(port);
    await client.reply();
    for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>'])
      await client.say(line);
    await expect.poll(health).toMatch(/^UP L7OK/);
    expect(await operationalState()).toBe('2');
    expect(program.err.all.filter((line) => line.includes('balancer.example'))).toEqual([]);
    program.kill('SIGTERM');
    await expect.poll(operationalState).toBe('0');
    expect(await (await daemon.client(port)).reply()).toBe('220 substitute');
    // The transaction that was under way comes to its end, and after it the connection.
    expect(await client.say('DATA')).toMatch(/^354/);
    expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    expect(await client.reply()).toMatch(/^421 /);
    expect(daemon.message).toMatch(RECEIVED_FROM_CLIENT);
  });
});

function makeLauncher(): string {
  const program = join(daemon.folder, 'qpsmtpd-connect');
  const source = join(ROOT, 'contrib/launcher/qpsmtpd-connect.c');
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  return program;
}

describeWith('tcpserver', 'ucspi-tcp')('super-servers', () => {
  test.each([
    ['tcpserver', (port: number) => ['-H', '-R', '-l0', '127.0.0.1', `${port}`]],
    ['tcpsvd', (port: number) => ['127.0.0.1', `${port}`]],
  ])(
    '%s and the launcher: the client stands in Received, and half a connection is enough',
    async (program, args) => {
      const launcher = makeLauncher();
      await daemon.serve().out.find(/listening on/);
      const port = await freePort();
      daemon.run(program, [...args(port), launcher, daemon.socket]);
      expect(await daemon.deliver(await daemon.client(port))).toContain(`(${CLIENT})`);
      const half = connectTcp({ port, host: '127.0.0.1', localAddress: CLIENT, allowHalfOpen: true });
      daemon.atEnd(() => half.destroy());
      expect(await sayAtOnce(half)).toMatch(BANNER_TO_QUIT);
    },
  );

  test('without a daemon the client is told to come back, and the super-server goes on', async () => {
    const launcher = makeLauncher();
    const port = await freePort();
    daemon.run('tcpserver', ['-H', '-R', '-l0', '127.0.0.1', `${port}`, launcher, daemon.socket]);
    for (let count = 0; count < 2; count++) {
      const turnedAway = await daemon.client(port);
      expect(await turnedAway.reply()).toBe(
        '421 4.3.2 The mail service is not running, please try again later',
      );
      expect(await turnedAway.isClosed()).toBe(true);
    }
  });

  test('the launcher carries megabytes both ways, whoever reads slowly', async () => {
    const launcher = makeLauncher();
    daemon.configure('databytes', '0');
    await daemon.serve().out.find(/listening on/);
    const port = await freePort();
    daemon.run('tcpserver', ['-H', '-R', '-l0', '127.0.0.1', `${port}`, launcher, daemon.socket]);
    const through = await daemon.client(port);
    await through.reply();
    for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>', 'DATA'])
      await through.say(line);
    const body = `${'x'.repeat(998)}\r\n`.repeat(8_000);
    through.send(`Subject: large\r\n\r\n${body}.\r\n`);
    expect(await through.reply()).toMatch(/^250 Queued/);
    expect(daemon.message.length).toBeGreaterThan(7_900_000);
  });

  test('it says how it is used', () => {
    const launcher = makeLauncher();
    expect(execFileSync(launcher, ['--help'], { encoding: 'latin1' })).toContain('usage: qpsmtpd-connect');
    expect(() => execFileSync(launcher, ['relative/path'], { stdio: 'pipe' })).toThrow(/usage/);
  });
});
