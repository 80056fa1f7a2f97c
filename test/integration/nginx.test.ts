/** The daemon behind nginx, which passes connections on or speaks SMTP itself, as the guide to proxies says. */

import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CLIENT } from './front.ts';
import { FrontedDaemon, RECEIVED_FROM_CLIENT } from './fronted-daemon.ts';
import { describeWith } from './needs.ts';
import { startAuthServer, startNginx, type Answer } from './nginx-server.ts';
import { guideBlock } from './proxy-guide.ts';
import { freePort } from '../free-port.ts';

let daemon: FrontedDaemon;
beforeEach(() => {
  daemon = new FrontedDaemon();
  daemon.configure('xclient_hosts', '127.0.0.1', 'unix');
  daemon.configure('tls_before_auth', '1');
  daemon.configure(
    'plugins',
    'auth/auth_flat_file',
    'rcpt_ok',
    `queue/maildir ${join(daemon.folder, 'Maildir')}`,
  );
});
afterEach(() => daemon.end());

const listening = (lines: readonly string[]): number[] =>
  [...lines.join(' ').matchAll(/tcp:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));

async function serve(): Promise<number[]> {
  const program = daemon.serve();
  await program.out.find(/listening on/);
  return listening(program.out.all);
}

describeWith('nginx', 'nginx-core libnginx-mod-stream libnginx-mod-mail')(
  'nginx passes connections on',
  () => {
    async function start(): Promise<{ plain: number; secure: number }> {
      const [plain, secure] = [await freePort(), await freePort()];
      const secureSocket = join(daemon.folder, 'tls.sock');
      const sockets = {
        '/run/qpsmtpd/front.sock': daemon.socket,
        '/run/qpsmtpd/front-tls.sock': secureSocket,
      };
      daemon.configure('listeners', ...guideBlock('nginx-stream-listeners', sockets).split('\n'));
      const { certificate, key } = daemon.makeCertificate();
      await serve();
      startNginx(
        daemon,
        guideBlock('nginx-stream', {
          ...sockets,
          'listen 25;': `listen 127.0.0.1:${plain};`,
          'listen 465 ssl;': `listen 127.0.0.1:${secure} ssl;`,
          '/etc/ssl/mail.crt': certificate,
          '/etc/ssl/mail.key': key,
        }),
      );
      return { plain, secure };
    }

    test('the client stands in Received', async () => {
      const { plain } = await start();
      const message = await daemon.deliver(await daemon.client(plain));
      expect(message).toMatch(RECEIVED_FROM_CLIENT);
      expect(message).toMatch(/ with ESMTP ; /);
    });

    test('TLS that nginx has ended: ESMTPS, AUTH, and no STARTTLS', async () => {
      const { secure } = await start();
      const { client } = await daemon.secureClient(secure);
      expect(await client.reply()).toMatch(/^220/);
      const extensions = await client.say('EHLO c.example');
      expect(extensions).toContain('AUTH');
      expect(extensions).not.toContain('STARTTLS');
      const message = await daemon.send(client);
      expect(message).toMatch(RECEIVED_FROM_CLIENT);
      expect(message).toMatch(/ with ESMTPS \(encrypted\); /);
    });

    test('XCLIENT of a client is refused, although nginx may say it', async () => {
      const { plain } = await start();
      const forger = await daemon.client(plain);
      await forger.reply();
      expect(await forger.say('EHLO c.example')).not.toContain('XCLIENT');
      expect(await forger.say('XCLIENT ADDR=127.0.0.1 LOGIN=root')).toMatch(/^550/);
      expect(await daemon.send(forger)).toMatch(RECEIVED_FROM_CLIENT);
    });
  },
);

describeWith('nginx', 'nginx-core libnginx-mod-stream libnginx-mod-mail')('nginx speaks SMTP', () => {
  interface Fronts {
    readonly mx: number;
    readonly submission: number;
    readonly both: number;
    readonly asked: Awaited<ReturnType<typeof startAuthServer>>['asked'];
  }

  /** Sessions inside TLS and those of the server with PROXY have ports of their own, as the guide says. */
  async function start(): Promise<Fronts> {
    const listeners = guideBlock('nginx-mail-listeners', { ':2525': ':0', ':2465': ':0', ':2526': ':0' });
    daemon.configure('listeners', ...listeners.split('\n'));
    const [mx, submission, both] = [await freePort(), await freePort(), await freePort()];
    const { certificate, key } = daemon.makeCertificate();
    const [plain, secure, proxied] = await serve();
    const { port, asked } = await startAuthServer(daemon, (headers): Answer => {
      const isKnown = headers['auth-user'] === 'user1' && headers['auth-pass'] === 'secret';
      if (headers['auth-method'] !== 'none' && !isKnown)
        return { 'Auth-Status': 'Wrong password', 'Auth-Error-Code': '535 5.7.8', 'Auth-Wait': '1' };
      if (headers['auth-smtp-to']?.includes('<nobody@') === true)
        return { 'Auth-Status': 'No such user', 'Auth-Error-Code': '550 5.1.1', 'Auth-Wait': '1' };
      const isBoth = headers['auth-smtp-helo'] === 'both.example';
      const next = isBoth ? proxied : headers['auth-ssl'] === 'on' ? secure : plain;
      return { 'Auth-Status': 'OK', 'Auth-Server': '127.0.0.1', 'Auth-Port': String(next) };
    });
    startNginx(
      daemon,
      guideBlock('nginx-mail', {
        '127.0.0.1:8025': `127.0.0.1:${port}`,
        'listen 25;': `listen 127.0.0.1:${mx};`,
        'listen 587;': `listen 127.0.0.1:${submission};`,
        'listen 2527;': `listen 127.0.0.1:${both};`,
        '/etc/ssl/mail.crt': certificate,
        '/etc/ssl/mail.key': key,
      }),
    );
    return { mx, submission, both, asked };
  }

  test('XCLIENT: the client stands in Received, and pipelined commands pass', async () => {
    const { mx, asked } = await start();
    const client = await daemon.client(mx);
    expect(await client.reply()).toMatch(/^220 mx\.example\.com/);
    expect(await client.say('EHLO c.example')).toContain('PIPELINING');
    client.send(
      'MAIL FROM:<a@c.example> SIZE=99\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n',
    );
    for (const code of ['250', '250', '250', '354']) expect((await client.reply()).slice(0, 3)).toBe(code);
    expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    expect(await client.say('QUIT')).toMatch(/^221/);
    expect(daemon.message).toMatch(RECEIVED_FROM_CLIENT);
    expect(daemon.message).toMatch(/ with ESMTP ; /);
    expect(asked).toMatchObject([
      { 'client-ip': CLIENT, 'auth-method': 'none', 'auth-smtp-helo': 'c.example' },
    ]);
  });

  test('STARTTLS at nginx: another port, so that Received says ESMTPS', async () => {
    const { mx, asked } = await start();
    const client = await daemon.upgradedClient(mx);
    expect(await daemon.send(client)).toMatch(RECEIVED_FROM_CLIENT);
    expect(daemon.message).toMatch(/ with ESMTPS \(encrypted\); /);
    expect(asked[0]).toMatchObject({ 'auth-ssl': 'on' });
  });

  test('refusals pass: ours for a recipient, and that of the server that nginx asks', async () => {
    const { mx } = await start();
    const client = await daemon.client(mx);
    await client.reply();
    await client.say('EHLO c.example');
    await client.say('MAIL FROM:<a@c.example>');
    expect(await client.say('RCPT TO:<x@elsewhere.example>')).toMatch(/^550 /);
    expect(await client.say('RCPT TO:<b@example.com>')).toMatch(/^250/);
    const other = await daemon.client(mx);
    await other.reply();
    await other.say('EHLO c.example');
    await other.say('MAIL FROM:<a@c.example>');
    expect(await other.say('RCPT TO:<nobody@example.com>')).toBe('550 5.1.1 No such user');
  });

  test('a login at nginx comes as LOGIN, and lets the client relay if the site says so', async () => {
    daemon.configure('xclient_login_relays', '1');
    const { submission, asked } = await start();
    const client = await daemon.upgradedClient(submission);
    await client.say('EHLO c.example');
    const response = Buffer.from('\0user1\0secret').toString('base64');
    expect(await client.say(`AUTH PLAIN ${response}`)).toMatch(/^235/);
    await client.say('MAIL FROM:<user1@example.com>');
    expect(await client.say('RCPT TO:<x@elsewhere.example>')).toMatch(/^250/);
    expect(await client.say('DATA')).toMatch(/^354/);
    expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    expect(daemon.message).toMatch(/ with ESMTPSA \(encrypted\); /);
    expect(asked[0]).toMatchObject({ 'auth-method': 'plain', 'auth-user': 'user1', 'auth-ssl': 'on' });
    const wrong = await daemon.upgradedClient(submission);
    await wrong.say('EHLO c.example');
    const guess = Buffer.from('\0user1\0guess').toString('base64');
    expect(await wrong.say(`AUTH PLAIN ${guess}`)).toMatch(/^535 5\.7\.8 Wrong password/);
  });

  test('PROXY and XCLIENT both', async () => {
    const { both } = await start();
    const client = await daemon.client(both);
    await client.reply();
    await client.say('EHLO both.example');
    await client.say('MAIL FROM:<a@c.example>');
    expect(await client.say('RCPT TO:<b@example.com>')).toMatch(/^250/);
    await client.say('DATA');
    expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    expect(daemon.message).toContain(`(HELO both.example) (${CLIENT})`);
  });

  test('what the client says after its first recipient comes to us: its XCLIENT is refused', async () => {
    daemon.configure('xclient_login_relays', '1');
    const { mx } = await start();
    const forger = await daemon.client(mx);
    await forger.reply();
    await forger.say('EHLO c.example');
    await forger.say('MAIL FROM:<a@c.example>');
    expect(await forger.say('RCPT TO:<b@example.com>')).toMatch(/^250/);
    expect(await forger.say('RSET')).toMatch(/^250/);
    expect(await forger.say('XCLIENT ADDR=127.0.0.1 LOGIN=root')).toMatch(/^550/);
    await forger.say('MAIL FROM:<a@c.example>');
    expect(await forger.say('RCPT TO:<x@elsewhere.example>')).toMatch(/^550/);
  });
});
