/** Runs one task at a time; requests that come while it runs are answered by one more run after it. */
export class SerialTask {
  readonly #task: () => Promise<void>;
  #isRunning = false;
  #isWanted = false;

  /** `task` must not reject: it reports its own errors. */
  constructor(task: () => Promise<void>) {
    this.#task = task;
  }

  request(): void {
    this.#isWanted = true;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#task();
    }
    this.#isRunning = false;
  }
}
