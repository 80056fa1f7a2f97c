/** The built daemon behind a real server of another kind, both ended with the test, and clients that come through that one. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { RunningProgram } from '../process/running-program.ts';
import { answerOf, makePair } from '../tls/secure-server.ts';
import { messagesOf } from './daemon.ts';
import { CLIENT, connected } from './front.ts';

const QPSMTPD = resolve(import.meta.dirname, '../../bin/qpsmtpd.cjs');

export class FrontedDaemon {
  readonly folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-fronted-'));
  /** For the Unix socket of a listener. */
  readonly socket = join(this.folder, 'front.sock');
  readonly #maildir = join(this.folder, 'Maildir');
  readonly #ends: (() => unknown)[] = [];

  /** Takes mail for example.com into a Maildir; listeners are those of the test. */
  constructor(...listeners: readonly string[]) {
    mkdirSync(join(this.folder, 'config'));
    mkdirSync(join(this.folder, 'spool'), { mode: 0o700 });
    this.configure('plugins', 'rcpt_ok', `queue/maildir ${this.#maildir}`);
    this.configure('rcpthosts', 'example.com');
    this.configure('spool_dir', join(this.folder, 'spool'));
    this.configure('loglevel', '6');
    this.configure('me', 'mx.example.com');
    if (listeners.length > 0) this.configure('listeners', ...listeners);
  }

  configure(file: string, ...lines: readonly string[]): void {
    writeFileSync(join(this.folder, 'config', file), `${lines.join('\n')}\n`);
  }

  /** A certificate and its key for mx.example.com: the names of their files, and of one that holds both. */
  makeCertificate(): { readonly certificate: string; readonly key: string; readonly both: string } {
    const { certificate, key } = makePair('mx.example.com');
    const files = {
      certificate: join(this.folder, 'cert.pem'),
      key: join(this.folder, 'key.pem'),
      both: join(this.folder, 'both.pem'),
    };
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key, { mode: 0o600 });
    writeFileSync(files.both, key + certificate, { mode: 0o600 });
    return files;
  }

  /** Starts it; what it listens on stands in its first line of output. */
  serve(): RunningProgram {
    const config = join(this.folder, 'config');
    const program = new RunningProgram(QPSMTPD, ['serve', '--config', config, '--workers', '1']);
    this.atEnd(() => program.dispose());
    return program;
  }

  /** A program that is ended with the test, and what it has said. */
  run(
    command: string,
    args: readonly string[],
  ): { readonly child: ChildProcess; readonly said: () => string } {
    let text = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets) => (text += String(octets)));
    const ended = once(child, 'close').catch(() => undefined);
    this.atEnd(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    return { child, said: () => text };
  }

  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** From the address `CLIENT`, as soon as a program listens. */
  async client(port: number): Promise<TestClient> {
    const stream = await connected(port);
    this.atEnd(() => stream.destroy());
    return new TestClient(stream);
  }

  /** The same inside TLS. */
  async secureClient(
    port: number,
    pair: { readonly cert?: string; readonly key?: string } = {},
  ): Promise<{ readonly client: TestClient; readonly stream: TLSSocket }> {
    return this.#secured(await connected(port), pair);
  }

  /** The same after EHLO and STARTTLS. */
  async upgradedClient(port: number): Promise<TestClient> {
    const socket = await connected(port);
    await answerOf(socket, '', /^220 /);
    await answerOf(socket, 'EHLO c.example\r\n', /^250 /m);
    await answerOf(socket, 'STARTTLS\r\n', /^220 /);
    return (await this.#secured(socket)).client;
  }

  async #secured(
    socket: Socket,
    pair: { readonly cert?: string; readonly key?: string } = {},
  ): Promise<{ readonly client: TestClient; readonly stream: TLSSocket }> {
    const stream = connectTls({
      ...pair,
      socket,
      servername: 'mx.example.com',
      rejectUnauthorized: false,
    });
    this.atEnd(() => stream.destroy());
    await once(stream, 'secureConnect');
    return { client: new TestClient(stream), stream };
  }

  /** The message that the client sends, as it lies in the Maildir; it has to be the only one. */
  async deliver(through: TestClient): Promise<string> {
    expect(await through.reply()).toMatch(/^220 mx\.example\.com/);
    return this.send(through);
  }

  /** As `deliver`, for a client that has been greeted. */
  async send(through: TestClient): Promise<string> {
    for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>'])
      expect(await through.say(line), line).toMatch(/^250/);
    expect(await through.say('DATA')).toMatch(/^354/);
    expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    expect(await through.say('QUIT')).toMatch(/^221/);
    return this.message;
  }

  get message(): string {
    const messages = messagesOf(this.#maildir);
    expect(messages).toHaveLength(1);
    return messages[0]!.toString('latin1');
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The Received field names the client and not the server in front. */
export const RECEIVED_FROM_CLIENT = new RegExp(
  `^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT.replaceAll('.', '\\.')}\\)`,
  'm',
);
