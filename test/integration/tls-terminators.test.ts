/** The daemon behind hitch and stunnel, which end TLS, as the guide to proxies says. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FrontedDaemon, RECEIVED_FROM_CLIENT } from './fronted-daemon.ts';
import { describeWith } from './needs.ts';
import { guideBlock } from './proxy-guide.ts';
import { freePort } from '../free-port.ts';

let daemon: FrontedDaemon;
beforeEach(() => {
  daemon = new FrontedDaemon();
  daemon.configure('tls_before_auth', '1');
  daemon.configure(
    'plugins',
    'auth/auth_flat_file',
    'rcpt_ok',
    `queue/maildir ${join(daemon.folder, 'Maildir')}`,
  );
});
afterEach(() => daemon.end());

/** A client through the front at `port`: AUTH is offered and STARTTLS is not; its message, and the cipher it has with the front. */
async function deliverSecurely(port: number): Promise<{ message: string; cipher: string }> {
  const { client, stream } = await daemon.secureClient(port);
  expect(await client.reply()).toMatch(/^220/);
  const extensions = await client.say('EHLO c.example');
  expect(extensions).toContain('AUTH');
  expect(extensions).not.toContain('STARTTLS');
  return { message: await daemon.send(client), cipher: stream.getCipher().name };
}

function configured(name: string, text: string): string {
  const file = join(daemon.folder, name);
  writeFileSync(file, `${text}\n`);
  return file;
}

describeWith('hitch', 'hitch')('hitch', () => {
  test('tells version and cipher by version 2', async () => {
    daemon.configure('listeners', 'tcp://127.0.0.1:0 proxy=required');
    const program = daemon.serve();
    const port = await freePort();
    const settings = guideBlock('hitch', {
      '[*]:465': `[127.0.0.1]:${port}`,
      '[127.0.0.1]:2526': `[127.0.0.1]:${await program.port()}`,
      '/etc/ssl/mail.pem': daemon.makeCertificate().both,
    });
    // As root it wants to give that up.
    const user = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
    daemon.run('hitch', ['--config', configured('hitch.conf', settings), ...user]);
    const { message, cipher } = await deliverSecurely(port);
    expect(message).toMatch(RECEIVED_FROM_CLIENT);
    expect(message).toContain(` with ESMTPS (${cipher} encrypted); `);
    await program.err.find(/transaction .* tls=TLSv1\.[23] /);
  });
});

describeWith('stunnel4', 'stunnel4')('stunnel', () => {
  test('says nothing of TLS, which tls=by-proxy makes up for', async () => {
    daemon.configure('listeners', 'tcp://127.0.0.1:0 proxy=required tls=by-proxy');
    const program = daemon.serve();
    const port = await freePort();
    const settings = guideBlock('stunnel', {
      'accept = 465': `accept = 127.0.0.1:${port}`,
      '127.0.0.1:2465': `127.0.0.1:${await program.port()}`,
      '/etc/ssl/mail.pem': daemon.makeCertificate().both,
    });
    daemon.run('stunnel4', [configured('stunnel.conf', `pid =\n${settings}`)]);
    const { message } = await deliverSecurely(port);
    expect(message).toMatch(RECEIVED_FROM_CLIENT);
    expect(message).toMatch(/ with ESMTPS \(encrypted\); /);
    await program.err.find(/transaction .* tls=unknown /);
  });
});
