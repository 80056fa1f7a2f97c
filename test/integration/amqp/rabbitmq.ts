/**
 * A real RabbitMQ: a node of its own as an unprivileged user, with its own cookie, database and epmd, all on loopback and
 * ended by pid.
 */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { PemPair } from '../../../host/tls/self-signed.ts';
import { freePort } from '../../free-port.ts';

const START_MS = 90_000;
const PROGRAMS = '/usr/lib/rabbitmq/bin';
/** `nobody` of Debian; a test that runs as somebody else stays that. */
const NOBODY = 65_534;

export class RabbitMq {
  readonly port: number;
  readonly tlsPort: number;
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #user: { uid: number; gid: number } | undefined;
  #epmd: ChildProcess | undefined;
  #node: ChildProcess | undefined;
  #log = '';

  private constructor(ports: readonly [amqp: number, amqps: number, node: number, epmd: number]) {
    [this.port, this.tlsPort] = ports;
    this.#folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-rabbitmq-'));
    this.#user = process.getuid!() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined;
    this.#environment = {
      PATH: process.env['PATH'],
      LANG: 'C.UTF-8',
      HOME: this.#folder,
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_NODENAME: `qpsmtpd${ports[2]}@localhost`,
      RABBITMQ_DIST_PORT: String(ports[2]),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_MNESIA_BASE: join(this.#folder, 'database'),
      RABBITMQ_LOG_BASE: join(this.#folder, 'log'),
      RABBITMQ_CONFIG_FILE: join(this.#folder, 'rabbitmq'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.#folder, 'plugins'),
      ERL_EPMD_PORT: String(ports[3]),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_MAX_PORTS: '4096',
    };
  }

  /** `pair` is what its TLS listener shows. */
  static async start(pair: PemPair): Promise<RabbitMq> {
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
    const broker = new RabbitMq(ports);
    broker.#prepare(pair);
    try {
      await broker.restart();
    } catch (error) {
      await broker.stop();
      throw error;
    }
    return broker;
  }

  #prepare({ certificate, key }: PemPair): void {
    const path = (name: string): string => join(this.#folder, name);
    writeFileSync(path('certificate.pem'), certificate);
    writeFileSync(path('key.pem'), key);
    const settings = [
      `listeners.tcp.1 = 127.0.0.1:${this.port}`,
      `listeners.ssl.1 = 127.0.0.1:${this.tlsPort}`,
      `ssl_options.certfile = ${path('certificate.pem')}`,
      `ssl_options.keyfile = ${path('key.pem')}`,
      'ssl_options.verify = verify_none',
      'log.console = true',
      'log.console.level = warning',
      'log.file = false',
    ];
    writeFileSync(path('rabbitmq.conf'), `${settings.join('\n')}\n`);
    mkdirSync(path('database'));
    mkdirSync(path('log'));
    chmodSync(this.#folder, 0o755);
    if (this.#user === undefined) return;
    const { uid, gid } = this.#user;
    for (const name of ['', 'certificate.pem', 'key.pem', 'database', 'log']) chownSync(path(name), uid, gid);
  }

  /** Starts the node, for the first time or again, and resolves when it takes connections. */
  async restart(): Promise<void> {
    const options = { cwd: this.#folder, env: this.#environment, ...this.#user } as const;
    this.#epmd ??= spawn('epmd', ['-relaxed_command_check'], { ...options, stdio: 'ignore' });
    this.#node = spawn(join(PROGRAMS, 'rabbitmq-server'), [], { ...options, detached: true, stdio: 'pipe' });
    for (const stream of [this.#node.stdout!, this.#node.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    }
    const deadline = Date.now() + START_MS;
    while (!(await answers(this.port)) || !(await answers(this.tlsPort))) {
      if (this.#node.exitCode !== null || Date.now() > deadline) {
        throw new Error(`RabbitMQ does not answer: ${this.#log}`);
      }
      await pause(100);
    }
  }

  /** Ends the node as a crash would. */
  async kill(): Promise<void> {
    const node = this.#node;
    if (node === undefined || node.exitCode !== null || node.signalCode !== null) return;
    const ended = new Promise((resolve) => node.once('exit', resolve));
    process.kill(-node.pid!, 'SIGKILL');
    await ended;
    this.#node = undefined;
  }

  /** `rabbitmqctl` against the node. */
  async control(...words: string[]): Promise<void> {
    const options = { cwd: this.#folder, env: this.#environment, ...this.#user };
    await promisify(execFile)(join(PROGRAMS, 'rabbitmqctl'), words, options);
  }

  async stop(): Promise<void> {
    await this.kill();
    this.#epmd?.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
