/** The DNS server of the benchmarks, in a process of its own, and how many questions it has had. */

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export class CountingServer {
  readonly #process: ChildProcess = fork(fileURLToPath(new URL('./answering-server.js', import.meta.url)));

  /** Once, before anything else is asked of it. */
  async port(): Promise<number> {
    return (await this.#told<{ port: number }>()).port;
  }

  /** Questions since this was last asked. */
  async packets(): Promise<number> {
    const told = this.#told<{ questions: number }>();
    this.#process.send('how many');
    return (await told).questions;
  }

  close(): void {
    this.#process.disconnect();
  }

  #told<T>(): Promise<T> {
    return new Promise((resolve) => this.#process.once('message', (message) => resolve(message as T)));
  }
}
