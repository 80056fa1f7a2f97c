/** `qpsmtpd tls-cert`. */

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import type { DaemonLoader } from '../../host/process/daemon.ts';
import { TestServer } from '../../host/testing/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-cert-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const noDaemon = {} as DaemonLoader;

async function run(...words: string[]): Promise<string[]> {
  const lines: string[] = [];
  const terminal = {
    out: (line: string) => void lines.push(line),
    err: (line: string) => void lines.push(line),
  };
  expect(await qpsmtpd(['tls-cert', ...words], noDaemon, terminal)).toBe(0);
  return lines;
}

test('the files are readable for their owner alone, and the printed line is one that plugins takes', async () => {
  const umask = process.umask(0);
  const lines = await run(
    '--name',
    'MX.example.com',
    '--name',
    '192.0.2.1',
    '--out',
    join(folder, 'ssl'),
    '--days',
    '9',
  );
  process.umask(umask);
  const certificate = join(folder, 'ssl', 'qpsmtpd-server.crt');
  const key = join(folder, 'ssl', 'qpsmtpd-server.key');
  for (const file of [certificate, key]) expect(statSync(file).mode & 0o777, file).toBe(0o600);
  expect(statSync(join(folder, 'ssl')).mode & 0o777).toBe(0o700);
  const parsed = new X509Certificate(readFileSync(certificate));
  expect(parsed.subjectAltName).toBe('DNS:mx.example.com, IP Address:192.0.2.1');
  expect((Date.parse(parsed.validTo) - Date.parse(parsed.validFrom)) / 86_400_000).toBe(9);
  const line = lines.at(-1)!.trim();
  expect(line).toBe(`tls ${certificate} ${key}`);
  const server = await TestServer.start({ plugins: [line] });
  const client = server.connect();
  await client.reply();
  expect(await client.say('EHLO c.example')).toMatch(/^250[ -]STARTTLS$/m);
  await server.close();
});

test('existing files are kept unless --force is given', async () => {
  await run('--name', 'a.example', '--out', folder);
  const key = join(folder, 'qpsmtpd-server.key');
  const before = readFileSync(key, 'utf8');
  await expect(run('--name', 'b.example', '--out', folder)).rejects.toThrow(/exists \(give --force/);
  expect(readFileSync(key, 'utf8')).toBe(before);
  await run('--name', 'b.example', '--out', folder, '--force');
  expect(readFileSync(key, 'utf8')).not.toBe(before);
  expect(statSync(key).mode & 0o777).toBe(0o600);
});

test.each(['a b', 'a..b', '-', 'b\u00fccher.example', `${'a'.repeat(64)}.example`, ''])(
  '--name "%s" is refused',
  async (name) => {
    await expect(run('--name', name, '--out', folder)).rejects.toThrow(/--name/);
  },
);
