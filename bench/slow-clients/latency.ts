/** Measures how long a message takes, from MAIL to the reply for its end. */

import { connect, type Socket } from 'node:net';

const BODY = `From: a@b.example\r\nTo: u@example.test\r\nSubject: latency\r\n\r\n${`${'text '.repeat(14)}\r\n`.repeat(50)}.\r\n`;
const STEPS = [
  ['MAIL FROM:<a@b.example>\r\n', '250'],
  ['RCPT TO:<u@example.test>\r\n', '250'],
  ['DATA\r\n', '354'],
  [BODY, '250'],
] as const;

/** An ordinary client with one connection. */
export class OrdinaryClient {
  readonly #socket: Socket;
  #wake: (text: string) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#wake(chunk.toString('latin1')));
    socket.on('close', () => this.#wake('closed'));
    socket.on('error', (error) => this.#wake(error.message));
  }

  static async open(port: number): Promise<OrdinaryClient> {
    const client = new OrdinaryClient(connect({ port, host: '127.0.0.1', noDelay: true }));
    await client.#hear('220');
    await client.#say('HELO ordinary.example\r\n', '250');
    return client;
  }

  /** Delivers one message and returns the milliseconds it took. */
  async deliver(): Promise<number> {
    const began = performance.now();
    for (const [text, code] of STEPS) await this.#say(text, code);
    return performance.now() - began;
  }

  close(): void {
    this.#socket.destroy();
  }

  #say(text: string, code: string): Promise<void> {
    const heard = this.#hear(code);
    this.#socket.write(text, 'latin1');
    return heard;
  }

  /** Replies are short and come in one piece, one at a time. */
  async #hear(code: string): Promise<void> {
    const text = await new Promise<string>((resolve) => {
      this.#wake = resolve;
    });
    if (!text.startsWith(code)) throw new Error(`expected ${code}, got ${JSON.stringify(text)}`);
  }
}

/** Milliseconds below which the given part of the samples lies. */
export function quantile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** What one round took, in milliseconds by message. */
export interface Round {
  readonly idle: readonly number[];
  readonly loaded: readonly number[];
}

/**
 * Delivers to both servers by turns, in so many rounds of equal length: whatever else the machine does hits both alike,
 * and what hits one of them alone spoils one round and not the result.
 */
export async function compareLatency(
  idlePort: number,
  loadedPort: number,
  rounds: number,
  roundMs: number,
): Promise<readonly Round[]> {
  const [idle, loaded] = [await OrdinaryClient.open(idlePort), await OrdinaryClient.open(loadedPort)];
  for (let warmUp = 0; warmUp < 300; warmUp++) {
    await idle.deliver();
    await loaded.deliver();
  }
  const taken: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const [atIdle, atLoaded]: [number[], number[]] = [[], []];
    const until = performance.now() + roundMs;
    while (performance.now() < until) {
      atIdle.push(await idle.deliver());
      atLoaded.push(await loaded.deliver());
      atLoaded.push(await loaded.deliver());
      atIdle.push(await idle.deliver());
      // Breathing space: latency at full load would be that of a queue.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    taken.push({ idle: atIdle, loaded: atLoaded });
  }
  idle.close();
  loaded.close();
  return taken;
}
