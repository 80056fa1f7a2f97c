/** 250 means durable: the daemon is killed again and again while clients send, and no acknowledged message is missing. */

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from './daemon.ts';

const ROUNDS = 50;
const CLIENTS = 8;

/** A client that sends messages until its connection breaks; it knows which ones were acknowledged. */
class Sender {
  readonly acknowledged: string[] = [];
  readonly finished: Promise<void>;
  readonly #socket: Socket;
  #buffered = '';
  #pending = '';

  constructor(port: number, round: number, client: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.finished = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('error', () => undefined);
    let count = 0;
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      this.#buffered += text;
      for (let end = this.#buffered.indexOf('\r\n'); end >= 0; end = this.#buffered.indexOf('\r\n')) {
        const line = this.#buffered.slice(0, end);
        this.#buffered = this.#buffered.slice(end + 2);
        if (line.startsWith('220 ')) this.#say('HELO client.example');
        else if (line.startsWith('250 ') && line.includes('Queued!')) {
          this.acknowledged.push(this.#pending);
          this.#begin();
        } else if (line.startsWith('250 ') && line.includes('happy to meet')) this.#begin();
        else if (line.startsWith('354 ')) this.#sendMessage(`${round}-${client}-${count++}`);
      }
    });
  }

  #say(line: string): void {
    this.#socket.write(`${line}\r\n`);
  }

  #begin(): void {
    this.#say('MAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.test>\r\nDATA');
  }

  /** From some hundred octets to 200 KB, so that kills hit short writes, long ones and the spool. */
  #sendMessage(id: string): void {
    this.#pending = id;
    const size = Math.random() < 0.1 ? 200_000 : Math.floor(Math.random() * 4_000);
    const body = randomBytes(Math.ceil(size / 2))
      .toString('hex')
      .replace(/.{76}/g, '$&\r\n');
    this.#say(`Subject: ${id}\r\nX-Length: ${body.length}\r\n\r\n${body}\r\nend-of-${id}\r\n.`);
  }
}

describe('kill -9', () => {
  const workplace = new Workplace({ size_threshold: '50000' });
  afterAll(() => workplace.remove());

  test(`${ROUNDS} rounds with ${CLIENTS} clients lose no acknowledged message and leave no partial one in new/`, async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const daemon = await RunningDaemon.start(workplace);
      const senders = Array.from({ length: CLIENTS }, (_, client) => new Sender(daemon.port, round, client));
      await new Promise((resolve) => setTimeout(resolve, 60 + Math.random() * 240));
      await daemon.end('SIGKILL');
      await Promise.all(senders.map(({ finished }) => finished));
      acknowledged.push(...senders.flatMap((sender) => sender.acknowledged));
    }
    const delivered = new Set<string>();
    for (const message of workplace.delivered().map((octets) => octets.toString('latin1'))) {
      const id = /^Subject: (.+)$/m.exec(message)?.[1] ?? '';
      expect(message.endsWith(`\nend-of-${id}\n`), `the message ${id} is whole`).toBe(true);
      delivered.add(id);
    }
    const lost = acknowledged.filter((id) => !delivered.has(id));
    process.stdout.write(
      `${acknowledged.length} acknowledged, ${delivered.size} in new/, ${lost.length} lost\n`,
    );
    expect(acknowledged.length).toBeGreaterThan(ROUNDS * CLIENTS);
    expect(lost).toEqual([]);
  }, 300_000);

  test('the next start clears the spool of what the dead left', async () => {
    const daemon = await RunningDaemon.start(workplace);
    await daemon.end();
    expect(workplace.spooled()).toEqual([]);
  });
});
