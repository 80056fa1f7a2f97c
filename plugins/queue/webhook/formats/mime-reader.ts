/** Takes messages apart, in threads. */

import type { Email } from 'postal-mime';
import type { WorkerPool, Services } from '../../../../bindings/plugin/index.ts';
import type * as thread from './mime-thread.ts';

/** Mail of the largest size that is taken apart needs about a second, and a minute if it is made of short lines. */
const TIME_MS = 20_000;
const MEMORY_MB = 256;

/** The message is to blame: whoever reads it will not be able to take it apart. */
export class UnparsableMessage extends Error {
  override readonly name = 'UnparsableMessage';
}

export class MimeReader {
  readonly #pool: WorkerPool<typeof thread>;
  readonly #timeoutMs: number;

  constructor(workers: Services['workers'], threads: number, timeoutMs = TIME_MS) {
    // Beside this file once it is compiled.
    const module = new URL('./mime-thread.js', import.meta.url);
    this.#pool = workers.open({ module, threads, waiting: threads, memoryMb: MEMORY_MB });
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Attachments come as base64; octets that are no UTF-8 where nothing says what they are as windows-1252. Rejects with
   * `UnparsableMessage`, or with a `WorkerError` for time or memory: the message may be made so, or this host may be busy.
   */
  async read(raw: Buffer, signal: AbortSignal): Promise<Email> {
    const answer = await this.#pool.run('takeApart', raw, { timeoutMs: this.#timeoutMs, signal });
    if ('email' in answer) return answer.email;
    throw new UnparsableMessage(`the message can't be taken apart: ${answer.problem}`);
  }

  close(): void {
    this.#pool.close();
  }
}
