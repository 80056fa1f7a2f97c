/** The built daemon and OpenSSL's own client. */

import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePair } from '../tls/secure-server.ts';
import { writeFileSync } from 'node:fs';
import { RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';

let place: Workplace;
let daemon: RunningDaemon;

function writePair(name: string): void {
  const { certificate, key } = makePair(name);
  writeFileSync(join(place.folder, 'mx.crt'), certificate);
  writeFileSync(join(place.folder, 'mx.key'), key, { mode: 0o600 });
}

beforeAll(async () => {
  place = new Workplace();
  writePair('mx.test');
  const pair = `${join(place.folder, 'mx.crt')} ${join(place.folder, 'mx.key')}`;
  place.write({ plugins: `tls ${pair}\nrcpt_ok\nqueue/maildir ${place.maildir}` });
  daemon = await RunningDaemon.start(place);
});
afterAll(async () => {
  await daemon.end();
  place.remove();
});

/** What `openssl s_client -starttls smtp` prints on both of its streams; `input` goes to the server. */
function client(words: readonly string[], input: string): Promise<string> {
  const address = `127.0.0.1:${daemon.port}`;
  const child = spawn('openssl', [
    's_client',
    '-connect',
    address,
    '-starttls',
    'smtp',
    '-ign_eof',
    ...words,
  ]);
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('latin1').on('data', (text: string) => (printed += text));
  }
  child.stdin.on('error', () => undefined).end(input);
  return new Promise((resolve) => child.once('close', () => resolve(printed)));
}

const LETTER = ['ehlo c.example', 'mail from:<a@b.example>', 'rcpt to:<u@example.test>', 'data'];
const letter = `${LETTER.join('\r\n')}\r\nSubject: x\r\n\r\nx\r\n.\r\nquit\r\n`;

describeWith('openssl', 'openssl')('openssl s_client -starttls smtp', () => {
  test.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ])('%s delivers a message', async (option, version) => {
    const before = place.delivered().length;
    const printed = await client([option, '-quiet'], letter);
    expect(printed).toMatch(/250 Queued!/);
    expect(place.delivered()).toHaveLength(before + 1);
    const received = place.delivered().map(String).join('\n');
    expect(received).toMatch(/with ESMTPS \(\S+ encrypted\); /);
    expect(await client([option], 'quit\r\n')).toContain(version);
  });

  test('-tls1_1 is refused (RFC 8996)', async () => {
    expect(await client(['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], '')).toMatch(
      /alert protocol version|no protocols available/,
    );
  });

  test('the certificate is accepted by who trusts it, for its name', async () => {
    const trusting = [
      '-CAfile',
      join(place.folder, 'mx.crt'),
      '-verify_hostname',
      'mx.test',
      '-verify_return_error',
    ];
    expect(await client(trusting, 'quit\r\n')).toContain('Verify return code: 0 (ok)');
  });

  test('a certificate that was exchanged on disk is shown without a restart', async () => {
    writePair('renewed.test');
    let printed = '';
    for (const deadline = performance.now() + 60_000; performance.now() < deadline;) {
      printed = await client(['-showcerts'], 'quit\r\n');
      if (printed.includes('CN = renewed.test') || printed.includes('CN=renewed.test')) break;
    }
    expect(printed).toMatch(/CN ?= ?renewed\.test/);
  });

  test('openssl reads what tls-cert makes', () => {
    const text = execFileSync('openssl', ['x509', '-in', join(place.folder, 'mx.crt'), '-noout', '-text'], {
      encoding: 'utf8',
    });
    expect(text).toContain('Version: 3 (0x2)');
    expect(text).toContain('TLS Web Server Authentication');
    expect(text).toContain('CA:FALSE');
  });
});
