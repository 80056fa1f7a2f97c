/**
 * Input that came before its turn. The session takes it up when it can; until then a plugin may ask whether there is
 * some: who speaks before the banner does not speak SMTP. RFC 5321 section 3.1.
 */

import type { Duplex } from 'node:stream';

type Wake = (hasSpoken: boolean) => void;

export class UnreadInput {
  #octets: Buffer | undefined = undefined;
  #waiting: Set<Wake> | undefined = undefined;

  get isEmpty(): boolean {
    return this.#octets === undefined;
  }

  get octets(): number {
    return this.#octets?.length ?? 0;
  }

  /** Puts octets behind those that wait already. The client is not read from meanwhile. */
  keep(octets: Buffer, stream: Duplex): void {
    this.#octets = this.#octets === undefined ? octets : Buffer.concat([this.#octets, octets]);
    stream.pause();
    this.#wake(true);
  }

  /** Hands over what waits. */
  take(): Buffer | undefined {
    const octets = this.#octets;
    this.#octets = undefined;
    return octets;
  }

  /** The client will send nothing more: whoever listens need not wait. */
  end(): void {
    this.#wake(false);
  }

  /** True as soon as octets wait, false after `withinMs` or at the client's end. */
  within(withinMs: number): Promise<boolean> {
    if (this.#octets !== undefined) return Promise.resolve(true);
    const waiting = (this.#waiting ??= new Set());
    return new Promise((resolve) => {
      const wake: Wake = (hasSpoken) => {
        clearTimeout(timer);
        waiting.delete(wake);
        resolve(hasSpoken);
      };
      // Behind the timer one look at the socket: what had come by then counts.
      const timer = setTimeout(() => setImmediate(wake, false), withinMs);
      waiting.add(wake);
    });
  }

  #wake(hasSpoken: boolean): void {
    if (this.#waiting !== undefined) for (const wake of this.#waiting) wake(hasSpoken);
  }
}
