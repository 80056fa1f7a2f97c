/** A program and all it has started. */

/** Groups that have not got all of their message. */
const unfed = new Set<number>();

/** A daemon that ends must not make a program take the end of its input for the end of the message. */
process.once('exit', () => {
  for (const id of unfed) signalGroup(id, 'SIGKILL');
});

export class ProcessGroup {
  /** Undefined if the program did not start. */
  readonly #id: number | undefined;
  readonly #graceMs: number;
  #timer: NodeJS.Timeout | undefined = undefined;
  #hasEnded = false;
  #isTerminated = false;

  constructor(id: number | undefined, graceMs: number) {
    this.#id = id;
    this.#graceMs = graceMs;
    if (id !== undefined) unfed.add(id);
  }

  /** SIGTERM, and SIGKILL to those that are left `graceMs` later. */
  terminate(): void {
    if (this.#isTerminated || this.#hasEnded) return;
    this.#isTerminated = true;
    this.#send('SIGTERM');
    this.#timer = setTimeout(() => this.#send('SIGKILL'), this.#graceMs);
  }

  /** SIGKILL at once. */
  kill(): void {
    if (this.#hasEnded) return;
    this.#isTerminated = true;
    this.#send('SIGKILL');
  }

  /** The message is with the program. */
  hasAll(): void {
    if (this.#id !== undefined) unfed.delete(this.#id);
  }

  /**
   * The program has ended; its children end with it if it was told to end. Later its number may belong to another
   * group.
   */
  ended(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.hasAll();
    if (this.#isTerminated) this.#send('SIGKILL');
  }

  #send(signal: NodeJS.Signals): void {
    if (this.#id !== undefined) signalGroup(this.#id, signal);
  }
}

function signalGroup(id: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-id, signal);
  } catch {
    // Nobody is left in it.
  }
}
