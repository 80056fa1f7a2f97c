/** Three machines behind a real HAProxy, with a Redis that they share: the configuration is that of docs/guide/farm.md. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { RunningProgram } from '../process/running-program.ts';
import { redisPlace } from '../store/backends.ts';
import { Workplace } from './daemon.ts';
import { CLIENT, connected } from './front.ts';
import { describeWith, hasProgram } from './needs.ts';
import { freePort } from '../free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/farm.md'), 'utf8');
/** A client that greylisting leaves alone. */
const KNOWN_CLIENT = '127.0.0.10';
const BLACK_TIMEOUT_S = 2;
/** Checks come five times a second: much more than HAProxy needs, also on a machine that is busy. */
const DRAIN_DELAY_S = 15;

let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-farm-'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

function place(files: Readonly<Record<string, string>>): Workplace {
  const made = new Workplace(files);
  ends.push(() => made.remove());
  return made;
}

function serve({ config }: Workplace, ...more: readonly string[]): RunningProgram {
  const args = ['serve', '--config', config, '--workers', '1', ...more];
  const program = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args);
  ends.push(() => program.dispose());
  return program;
}

interface Machine {
  readonly workplace: Workplace;
  readonly port: number;
  daemon: RunningProgram;
}

interface Farm {
  readonly machines: readonly Machine[];
  readonly hop: Workplace;
  /** Of HAProxy: the front end for all machines, and one for each alone. */
  readonly port: number;
  readonly alone: readonly number[];
}

/** Three machines that hand their mail on to one hop, the shared store, and HAProxy. */
async function startFarm(): Promise<Farm> {
  const redis = await redisPlace();
  ends.push(() => redis.remove());
  const hop = place({});
  const hopPort = await serve(hop, '--listen', 'tcp://127.0.0.1:0').port();
  const excluded = join(folder, 'excluded');
  writeFileSync(excluded, `${KNOWN_CLIENT}\n`);
  const machines: Machine[] = [];
  for (const name of ['edge1', 'edge2', 'edge3']) {
    const port = await freePort();
    const workplace = place({
      me: `${name}.test`,
      plugins: `greylisting black_timeout ${BLACK_TIMEOUT_S}\nrcpt_ok\nqueue/smtp-forward 127.0.0.1:${hopPort}`,
      greylist_exclude_files: excluded,
      store: `redis://127.0.0.1:${redis.port}/0`,
      listeners: `tcp://127.0.0.1:${port} proxy=required`,
    });
    const daemon = serve(workplace, '--drain-delay', String(DRAIN_DELAY_S));
    await daemon.port();
    machines.push({ workplace, port, daemon });
  }
  const alone = await Promise.all(machines.map(() => freePort()));
  const port = await freePort();
  startHaproxy(
    haproxyOfGuide(port, machines),
    machines.map(
      (machine, index) =>
        `listen alone${index}\n bind 127.0.0.1:${alone[index]}\n server one 127.0.0.1:${machine.port} send-proxy-v2\n`,
    ),
  );
  await expect.poll(states).toEqual(['UP', 'UP', 'UP']);
  return { machines, hop, port, alone };
}

/** The block of the guide, with the addresses and ports of this test, and checks that come sooner. */
function haproxyOfGuide(port: number, machines: readonly Machine[]): string {
  const block = /```haproxy\n(.*?)```/s.exec(GUIDE)![1]!;
  const replaced: readonly (readonly [string, string])[] = [
    ['/run/haproxy/admin.sock', join(folder, 'admin.sock')],
    ['bind :25', `bind 127.0.0.1:${port}`],
    ['inter 2s', 'inter 200ms'],
    ...machines.map((machine, index) => [`10.0.0.1${index + 1}:2525`, `127.0.0.1:${machine.port}`] as const),
  ];
  return replaced.reduce((config, [from, to]) => {
    expect(config).toContain(from);
    return config.replace(from, to);
  }, block);
}

function startHaproxy(config: string, more: readonly string[]): void {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, [config, ...more].join('\n'));
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
  const ended = once(child, 'close');
  ends.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
}

/** Asks HAProxy by its own socket, as an operator would. */
function ask(command: string): Promise<string> {
  const stream = connect({ path: join(folder, 'admin.sock') });
  stream.end(`${command}\n`);
  return text(stream);
}

/** What HAProxy takes the machines for: `UP`, `DOWN`, `DRAIN`. */
async function states(): Promise<readonly string[]> {
  const rows = (await ask('show stat').catch(() => '')).split('\n').map((row) => row.split(','));
  return rows
    .filter(([backend, server]) => backend === 'edge' && server!.startsWith('edge'))
    .map((row) => row[17]!);
}

async function client(port: number, from?: string): Promise<TestClient> {
  const stream = await connected(port, from);
  ends.push(() => stream.destroy());
  return new TestClient(stream);
}

/** The reply to MAIL, by the machine that is asked. */
async function trySender(port: number): Promise<string> {
  const through = await client(port);
  expect(await through.reply()).toMatch(/^220 /);
  expect(await through.say('EHLO c.example')).toMatch(/^250/);
  const reply = await through.say('MAIL FROM:<a@c.example>');
  await through.say('QUIT');
  return reply;
}

/** Clients that send one message after the other; one that was not acknowledged is sent again, as SMTP wants it. */
class Load {
  readonly acknowledged: string[] = [];
  /** What became of tries that were not acknowledged. */
  readonly failures: string[] = [];
  #isOver = false;
  readonly #port: number;
  readonly #clients: readonly Promise<void>[];

  constructor(port: number, clients: number) {
    this.#port = port;
    this.#clients = Array.from({ length: clients }, (_, index) => this.#run(index));
  }

  /** Resolves once so many more messages have been acknowledged. */
  async more(messages: number): Promise<void> {
    const enough = this.acknowledged.length + messages;
    await expect.poll(() => this.acknowledged.length).toBeGreaterThanOrEqual(enough);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #run(client: number): Promise<void> {
    for (let count = 0; !this.#isOver; count++) {
      const id = `message-${client}-${count}.`;
      for (let problem = await this.#send(id); problem !== undefined; problem = await this.#send(id))
        this.failures.push(problem);
      this.acknowledged.push(id);
    }
  }

  /** Undefined if the message was acknowledged, else the last reply. */
  async #send(id: string): Promise<string | undefined> {
    const through = new TestClient(await connected(this.#port, KNOWN_CLIENT));
    try {
      let reply = await through.reply();
      for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.test>', 'DATA']) {
        if (!/^2\d\d/.test(reply)) return `before ${line}: ${reply}`;
        reply = await through.say(line);
      }
      if (!reply.startsWith('354')) return `DATA: ${reply}`;
      reply = await through.say(`Subject: ${id}\r\n\r\nx\r\n.`);
      return reply.startsWith('250') ? undefined : `content: ${reply}`;
    } finally {
      through.destroy();
    }
  }
}

/** Messages that were acknowledged and are not at the hop. */
function missingAt(hop: Workplace, acknowledged: readonly string[]): readonly string[] {
  const subjects = new Set(
    hop.delivered().map((message) => /^Subject: (\S+)$/m.exec(message.toString('latin1'))?.[1]),
  );
  return acknowledged.filter((id) => !subjects.has(id));
}

const isThere = hasProgram('redis-server') ? 'haproxy' : 'redis-server';

describeWith(isThere, isThere)('three machines behind HAProxy', () => {
  test('a sender that one has put off is known to the others', async () => {
    const { alone } = await startFarm();
    expect(await trySender(alone[0]!)).toMatch(/^450/);
    expect(await trySender(alone[1]!)).toMatch(/^450/);
    // By the clock, because it is one that senders are made to wait for.
    await pause(BLACK_TIMEOUT_S * 1_000 + 100);
    expect(await trySender(alone[2]!)).toMatch(/^250/);
    expect(await trySender(alone[0]!)).toMatch(/^250/);
  });

  test('the command of the guide takes a machine out, and puts it back', async () => {
    const { port } = await startFarm();
    const greetings = async (): Promise<readonly string[]> => {
      const heard: string[] = [];
      for (let count = 0; count < 9; count++) {
        const through = await client(port);
        heard.push(/^220 (\S+)/.exec(await through.reply())![1]!);
      }
      return [...new Set(heard)].sort();
    };
    expect(await greetings()).toEqual(['edge1.test', 'edge2.test', 'edge3.test']);
    const command = /echo '(set server .* drain)'/.exec(GUIDE)![1]!;
    await ask(command);
    expect(await states()).toEqual(['UP', 'UP', 'DRAIN']);
    expect(await greetings()).toEqual(['edge1.test', 'edge2.test']);
    await ask(command.replace('drain', 'ready'));
    await expect.poll(states).toEqual(['UP', 'UP', 'UP']);
    expect(await greetings()).toContain('edge3.test');
  });

  test('one is killed and one is drained under load: nothing acknowledged is lost', async () => {
    const { machines, hop, port, alone } = await startFarm();
    const [, killed, drained] = machines as readonly [Machine, Machine, Machine];
    const idle = await client(alone[2]!);
    expect(await idle.reply()).toMatch(/^220 edge3\.test/);
    const load = new Load(port, 6);
    await load.more(60);
    killed.daemon.kill('SIGKILL');
    await expect.poll(states).toEqual(['UP', 'DOWN', 'UP']);
    await load.more(60);
    const failedBefore = load.failures.length;
    drained.daemon.kill('SIGTERM');
    await expect.poll(states).toEqual(['UP', 'DOWN', 'DOWN']);
    // Taken out before it stops accepting, by what checks are told.
    expect(await ask('show stat')).toMatch(/^edge,edge3,.*L7STS.*,421,/m);
    (await connected(drained.port)).destroy();
    await load.more(60);
    // Clients that were connected go on.
    expect(await idle.say('NOOP')).toMatch(/^250/);
    expect(await idle.say('QUIT')).toMatch(/^221/);
    expect(load.failures.slice(failedBefore)).toEqual([]);
    expect(await drained.daemon.ended).toEqual({ code: 0, signal: null });
    // One by one: the machine that died comes back, and is given clients again.
    killed.daemon = serve(killed.workplace);
    await expect.poll(states).toEqual(['UP', 'UP', 'DOWN']);
    await load.more(60);
    await load.stop();
    expect(missingAt(hop, load.acknowledged)).toEqual([]);
    const by = new Set(hop.delivered().map((message) => /by (edge\d)\.test/.exec(String(message))?.[1]));
    expect([...by].sort()).toEqual(['edge1', 'edge2', 'edge3']);
    for (const message of hop.delivered()) expect(String(message)).toContain(`(${KNOWN_CLIENT})`);
    expect(String(hop.delivered()[0])).not.toContain(CLIENT);
  });
});
