/** Lines on their way out: gathered while others are being written, and counted where there are too many. */

/** Characters that may wait. A disk that hangs must cost log lines, not the memory of the daemon. */
export const MAX_WAITING = 4_194_304;

export class LineQueue {
  lost = 0;
  #lines: string[] = [];
  #length = 0;

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  push(line: string): void {
    if (this.#length + line.length > MAX_WAITING) {
      this.lost++;
      return;
    }
    this.#lines.push(line);
    this.#length += line.length + 1;
  }

  /** Everything that waits, with line ends; the queue is empty then. */
  takeAll(): string {
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#length = 0;
    return text;
  }

  /** Forgets what waits, as lost. */
  drop(): void {
    this.lost += this.#lines.length;
    this.#lines = [];
    this.#length = 0;
  }
}
