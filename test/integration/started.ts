/** Programs of a test that start or supervise the daemon, and a message through what they have started. */

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { AS_OURSELVES } from '../process/running-program.ts';
import type { Workplace } from './daemon.ts';
import { connected } from './front.ts';

export const QPSMTPD = resolve(import.meta.dirname, '../../bin/qpsmtpd.cjs');

/** The command that serves the client on descriptor 0. */
export const serveStdin = ({ config }: Workplace, ...more: readonly string[]): readonly string[] => [
  process.execPath,
  QPSMTPD,
  'serve',
  '--config',
  config,
  '--listen',
  'stdin:',
  ...AS_OURSELVES,
  ...more,
];

export interface Started {
  readonly child: ChildProcess;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  /** What it wrote to its standard streams so far. */
  said(): string;
}

export class StartedPrograms {
  readonly #ends: (() => unknown)[] = [];

  /** Started in a group of its own: what it starts is ended with it. */
  start(
    [command = '', ...args]: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
  ): Started {
    let text = '';
    const child = spawn(command, args, { stdio, detached: true, env: { ...process.env, ...environment } });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (octets) => (text += String(octets)));
    const ended = once(child, 'close').then(([code]) => code as number | null);
    this.#ends.push(async () => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // The group is gone.
      }
      await ended;
    });
    return { child, ended, said: () => text };
  }

  /** Connected as soon as somebody listens, from the address of the client, and ended with the test. */
  async client(port: number): Promise<TestClient> {
    const stream = await connected(port);
    this.#ends.push(() => stream.destroy());
    return new TestClient(stream);
  }

  /** To be done at the end of the test. */
  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

/** Sends a message; returns all that the client has read. */
export async function deliver(through: TestClient): Promise<string> {
  const read = [await through.reply()];
  expect(read[0]).toMatch(/^220 mx\.test/);
  for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.test>', 'DATA'])
    read.push(await through.say(line));
  expect(read.at(-1)).toMatch(/^354/);
  read.push(await through.say('Subject: x\r\n\r\nx\r\n.'));
  expect(read.at(-1)).toMatch(/^250 Queued/);
  read.push(await through.say('QUIT'));
  expect(read.at(-1)).toMatch(/^221/);
  expect(await through.isClosed()).toBe(true);
  return read.join('\n');
}
