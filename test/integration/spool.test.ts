/** The spool under kill -9, and shared by several processes: nothing that was acknowledged is lost. */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from './daemon.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/host/cli/qpsmtpd.js', import.meta.url));
const ROUNDS = Number(process.env['SPOOL_ROUNDS'] ?? 12);
const CLIENTS = 4;
/** How long the last start may take to hand on what is left. */
const PATIENCE_MS = 60_000;

/** A client that sends messages until it is told to stop, or its connection breaks; it knows which were acknowledged. */
class Sender {
  readonly acknowledged: string[] = [];
  readonly finished: Promise<void>;
  readonly #socket: Socket;
  readonly #most: number;
  #count = 0;
  #pending = '';

  /** `to`: recipients of each message. */
  constructor(port: number, name: string, to: readonly string[], most = Number.POSITIVE_INFINITY) {
    this.#most = most;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.finished = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('error', () => undefined);
    let buffered = '';
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      buffered += text;
      for (let end = buffered.indexOf('\r\n'); end >= 0; end = buffered.indexOf('\r\n')) {
        this.#hear(buffered.slice(0, end), name, to);
        buffered = buffered.slice(end + 2);
      }
    });
  }

  #hear(line: string, name: string, to: readonly string[]): void {
    if (line.startsWith('220 ')) this.#say('HELO client.example');
    else if (line.startsWith('354 ')) this.#sendMessage(`${name}-${this.#count++}`);
    else if (line.includes('Queued as')) {
      this.acknowledged.push(this.#pending);
      this.#begin(to);
    } else if (line.includes('happy to meet')) this.#begin(to);
  }

  #say(line: string): void {
    this.#socket.write(`${line}\r\n`);
  }

  #begin(to: readonly string[]): void {
    if (this.#count >= this.#most) this.#say('QUIT');
    else
      this.#say(
        ['MAIL FROM:<s@example.test>', ...to.map((path) => `RCPT TO:<${path}>`), 'DATA'].join('\r\n'),
      );
  }

  #sendMessage(id: string): void {
    this.#pending = id;
    const size = Math.random() < 0.1 ? 150_000 : Math.floor(Math.random() * 4_000);
    const body = `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(size / 72));
    this.#say(`Subject: ${id}\r\n\r\n${body}end-of-${id}\r\n.`);
  }
}

/** A daemon that delivers into a Maildir, and the configuration of one that stores and hands on to it. */
class Route {
  readonly receiverPlace = new Workplace({ rcpthosts: 'example.test' });
  receiver!: RunningDaemon;
  sender!: Workplace;
  readonly firstRetry: number;

  /** Seconds. */
  constructor(firstRetry = 1) {
    this.firstRetry = firstRetry;
  }

  async start(): Promise<void> {
    this.receiver = await RunningDaemon.start(this.receiverPlace);
    this.sender = new Workplace({ rcpthosts: 'example.test\nrefused.test', size_threshold: '50000' });
    const via = `via smtp-forward 127.0.0.1 ${this.receiver.port}`;
    this.sender.write({
      plugins: `rcpt_ok\nqueue/spool ${this.spool} first_retry ${this.firstRetry} min_free 0 ${via}`,
    });
  }

  get spool(): string {
    return join(this.sender.folder, 'out');
  }

  /** Waits until the spool is empty. */
  async emptied(): Promise<void> {
    for (const until = Date.now() + PATIENCE_MS; this.left().length > 0;) {
      if (Date.now() > until) throw new Error(`still in the spool: ${this.left().join(' ')}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  left(): string[] {
    return readdirSync(join(this.spool, 'new'));
  }

  /** How often each message arrived, and of which ones the sender was told that they could not be delivered. */
  arrived(): { counts: Map<string, number>; returned: Map<string, number> } {
    const counts = new Map<string, number>();
    const returned = new Map<string, number>();
    for (const octets of this.receiverPlace.delivered()) {
      const text = octets.toString('latin1');
      const isReport = text.includes('report-type=delivery-status');
      const ids = [...text.matchAll(/^Subject: (.+)$/gm)].map(([, id]) => id!);
      const id = isReport ? ids.at(-1)! : ids[0]!;
      if (!isReport) expect(text.endsWith(`\nend-of-${id}\n`), `${id} is whole`).toBe(true);
      const into = isReport ? returned : counts;
      into.set(id, (into.get(id) ?? 0) + 1);
    }
    return { counts, returned };
  }

  async remove(): Promise<void> {
    await this.receiver.end();
    this.receiverPlace.remove();
    this.sender.remove();
  }
}

/** Runs `qpsmtpd queue` and returns what it prints. */
const queue = (route: Route, ...words: readonly string[]): string =>
  execFileSync(process.execPath, [PROGRAM, 'queue', ...words, '--config', route.sender.config], {
    encoding: 'utf8',
  });

async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !isSo();) {
    if (Date.now() > end) throw new Error('it did not come to that in time');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const twice = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].filter((count) => count > 1).length;

describe('the spool', () => {
  let route: Route;
  let daemon: RunningDaemon | undefined;
  const ends: Route[] = [];
  beforeAll(async () => {
    route = new Route();
    ends.push(route);
    await route.start();
  });
  afterEach(() => daemon?.end());
  afterAll(async () => {
    for (const end of ends) await end.remove();
  });

  test(`${ROUNDS} rounds of kill -9 lose no message, and no report`, async () => {
    const acknowledged: string[] = [];
    const refused: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const running = await RunningDaemon.start(route.sender);
      const senders = Array.from({ length: CLIENTS }, (_, client) => {
        const to = client === 0 ? ['u@refused.test', 'v@example.test'] : ['u@example.test'];
        return new Sender(running.port, `${round}-${client}`, to);
      });
      await new Promise((resolve) => setTimeout(resolve, 60 + Math.random() * 300));
      await running.end('SIGKILL');
      await Promise.all(senders.map(({ finished }) => finished));
      acknowledged.push(...senders.flatMap((sender) => sender.acknowledged));
      refused.push(...senders[0]!.acknowledged);
    }
    daemon = await RunningDaemon.start(route.sender);
    await route.emptied();
    const { counts, returned } = route.arrived();
    const lost = acknowledged.filter((id) => !counts.has(id));
    const untold = refused.filter((id) => !returned.has(id));
    process.stdout.write(
      `${acknowledged.length} acknowledged, ${lost.length} lost, ${twice(counts)} twice; ` +
        `${refused.length} to be returned, ${untold.length} lost, ${twice(returned)} twice\n`,
    );
    expect(acknowledged.length).toBeGreaterThan(ROUNDS);
    expect(refused.length).toBeGreaterThan(0);
    expect(lost).toEqual([]);
    expect(untold).toEqual([]);
    expect(readdirSync(join(route.spool, 'damaged'))).toEqual([]);
  }, 300_000);

  test('a running daemon notices what the command line does', async () => {
    const shared = new Route(600);
    ends.push(shared);
    await shared.start();
    const { port } = shared.receiver;
    await shared.receiver.end();
    daemon = await RunningDaemon.start(shared.sender);
    const sender = new Sender(daemon.port, 'c', ['u@example.test'], 2);
    await sender.finished;
    await until(() => queue(shared, 'ls').includes('in '));
    const records = queue(shared, 'ls', '--json').trim().split('\n');
    const [first = '', second = ''] = records.map((line) => (JSON.parse(line) as { id: string }).id);
    queue(shared, 'hold', first);
    shared.receiver = await RunningDaemon.start(shared.receiverPlace, { port });
    queue(shared, 'retry', second);
    await until(() => shared.left().length === 1);
    expect(shared.left()).toEqual([first]);
    queue(shared, 'release', first);
    await until(() => shared.left().length === 0);
    expect(shared.arrived().counts.size).toBe(2);
  });

  test('two processes deliver each message once', async () => {
    const shared = new Route();
    ends.push(shared);
    await shared.start();
    daemon = await RunningDaemon.start(shared.sender, { workers: 2 });
    const { port } = daemon;
    const senders = Array.from(
      { length: 6 },
      (_, client) => new Sender(port, `s-${client}`, ['u@example.test'], 25),
    );
    await Promise.all(senders.map(({ finished }) => finished));
    await shared.emptied();
    const { counts } = shared.arrived();
    expect(counts.size).toBe(150);
    expect(twice(counts)).toBe(0);
  });

  test('what a killed worker was sending is taken up again', async () => {
    const shared = new Route();
    ends.push(shared);
    await shared.start();
    daemon = await RunningDaemon.start(shared.sender, { workers: 2 });
    const { port, pid } = daemon;
    const senders = Array.from(
      { length: 6 },
      (_, client) => new Sender(port, `w-${client}`, ['u@example.test'], 60),
    );
    await new Promise((resolve) => setTimeout(resolve, 400));
    const workers = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    process.kill(Number(workers.trim().split(/\s+/)[0]), 'SIGKILL');
    await Promise.all(senders.map(({ finished }) => finished));
    await shared.emptied();
    const { counts } = shared.arrived();
    const lost = senders.flatMap(({ acknowledged }) => acknowledged).filter((id) => !counts.has(id));
    process.stdout.write(`${counts.size} arrived, ${lost.length} lost, ${twice(counts)} twice\n`);
    expect(lost).toEqual([]);
  });
});
