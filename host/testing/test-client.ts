/** A client for tests: says a line, reads a reply. */

import type { Duplex } from 'node:stream';

/** How long a test waits for a reply before it fails. */
const PATIENCE_MS = 60_000;

export class TestClient {
  readonly stream: Duplex;
  #buffered = '';
  #hasEnded = false;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => {
      this.#buffered += text;
      this.#wake?.();
    });
    const end = (): void => {
      this.#hasEnded = true;
      this.#wake?.();
    };
    stream.on('end', end).on('close', end).on('error', end);
  }

  /** Sends octets as they are: one character an octet. */
  send(octets: string | Buffer): void {
    this.stream.write(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets);
  }

  /** Sends a command line and returns the reply. */
  say(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /**
   * The next reply, all its lines joined with a line feed, without the last line end; `''` if the connection ends
   * first. Throws if nothing comes.
   */
  async reply(): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const reply = this.#takeReply();
      if (reply !== undefined) return reply;
      if (this.#hasEnded) return '';
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`no reply within ${PATIENCE_MS} ms; so far: ${JSON.stringify(this.#buffered)}`);
      await this.#news(left);
    }
  }

  /** True once the server has closed the connection. */
  async isClosed(): Promise<boolean> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!this.#hasEnded && performance.now() < deadline) await this.#news(deadline - performance.now());
    return this.#hasEnded;
  }

  /** Vanishes without a QUIT. */
  destroy(): void {
    this.stream.destroy();
  }

  #takeReply(): string | undefined {
    const whole = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#buffered)?.[0];
    if (whole === undefined) return undefined;
    this.#buffered = this.#buffered.slice(whole.length);
    return whole.slice(0, -2).replaceAll('\r\n', '\n');
  }

  #news(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
