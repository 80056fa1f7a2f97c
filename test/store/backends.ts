/** The back ends under test, each with a way to get a second connection, as another process would have. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StoreLocation, parseStoreLocation } from '../../host/settings/store-settings.ts';
import { freePort } from '../free-port.ts';

/** A place for a store, and how to get rid of it. */
export interface Place {
  readonly location: StoreLocation;
  remove(): Promise<void>;
}

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'qpsmtpd-store-test-'));

export function lmdbPlace(): Promise<Place> {
  const directory = temporaryFolder();
  return Promise.resolve({
    location: { kind: 'lmdb', directory },
    remove: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
  });
}

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

if (!hasRedis) {
  if (process.env['CI'] !== undefined)
    throw new Error('redis-server is missing: apt-get install redis-server');
  process.stderr.write('redis-server is missing: the tests of the Redis store are skipped\n');
}

/** A server of its own on loopback, in memory only. */
export async function redisPlace(
  port?: number,
): Promise<Place & { readonly port: number; readonly pid: number }> {
  const bound = port ?? (await freePort());
  const words = ['--port', String(bound), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const folder = temporaryFolder();
  const server = spawn('redis-server', [...words, '--dir', folder], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let log = '';
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${log}`)));
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Ready to accept connections')) resolve();
    });
  });
  return {
    location: parseStoreLocation(`redis://127.0.0.1:${bound}/0`),
    port: bound,
    pid: server.pid!,
    async remove() {
      // A server that was stopped by SIGSTOP only hears SIGKILL.
      server.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
