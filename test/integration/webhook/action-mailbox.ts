/** A real Rails application with Action Mailbox, on loopback, ended by its pid. */

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../free-port.ts';

const START_MS = 60_000;
const APPLICATION = fileURLToPath(new URL('config.ru', import.meta.url));

/** A message as the application's mailbox got it. */
export interface Routed {
  readonly to: readonly string[];
  /** Values of X-Original-To. */
  readonly original: readonly string[];
  /** The message, octet by octet. */
  readonly raw: Buffer;
}

export class ActionMailbox {
  static readonly password = 'a password with : and ö';
  static readonly signingKey = '0123456789abcdef0123456789abcdef';
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #log = '';

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
    const words = ['-b', `tcp://127.0.0.1:${port}`, '-t', '1:1', '-e', 'production', APPLICATION];
    this.#child = spawn('puma', words, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        FOLDER: folder,
        LANG: 'C.UTF-8',
        DATABASE_URL: `sqlite3:${folder}/database`,
        RAILS_ENV: 'production',
        RAILS_INBOUND_EMAIL_PASSWORD: ActionMailbox.password,
        MAILGUN_INGRESS_SIGNING_KEY: ActionMailbox.signingKey,
      },
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    }
  }

  static async start(): Promise<ActionMailbox> {
    const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-rails-'));
    const application = new ActionMailbox(folder, await freePort());
    const deadline = Date.now() + START_MS;
    while (!(await application.#answers())) {
      if (application.#child.exitCode !== null || Date.now() > deadline) {
        await application.stop();
        throw new Error(`puma does not answer: ${application.#log}`);
      }
      await pause(100);
    }
    return application;
  }

  /** The URL of one of its ingresses. */
  url(ingress: string): string {
    return `http://127.0.0.1:${this.port}/rails/action_mailbox/${ingress}`;
  }

  /** What was routed so far, in the order it came. */
  routed(): Routed[] {
    const file = join(this.#folder, 'routed');
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const facts = JSON.parse(line) as Omit<Routed, 'raw'> & { raw: string };
        return { ...facts, raw: Buffer.from(facts.raw, 'base64') };
      });
  }

  async stop(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #answers(): Promise<boolean> {
    return fetch(`http://127.0.0.1:${this.port}/`).then(
      () => true,
      () => false,
    );
  }
}
