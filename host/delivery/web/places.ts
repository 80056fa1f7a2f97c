interface Waiting {
  readonly octets: number;
  readonly enter: () => void;
}

/**
 * Places for messages that have to be whole in memory: so many at a time, and so many octets together. Who finds none
 * waits in line. A message larger than all places together gets in when it is alone.
 */
export class Places {
  #free: number;
  #freeOctets: number;
  readonly #count: number;
  readonly #line: Waiting[] = [];

  constructor(count: number, octets: number) {
    this.#count = this.#free = count;
    this.#freeOctets = octets;
  }

  /** Resolves with what gives the place back, to be called once. Rejects with the signal's reason. */
  take(octets: number, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const give = (): void => {
        this.#free++;
        this.#freeOctets += octets;
        this.#admit();
      };
      const leave = (): void => {
        const index = this.#line.indexOf(waiting);
        if (index >= 0) this.#line.splice(index, 1);
        reject(signal.reason as Error);
        this.#admit();
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        this.#free--;
        this.#freeOctets -= octets;
        resolve(give);
      };
      const waiting: Waiting = { octets, enter };
      if (signal.aborted) return reject(signal.reason as Error);
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(waiting);
      this.#admit();
    });
  }

  #admit(): void {
    for (let next = this.#line[0]; next !== undefined; next = this.#line[0]) {
      const isAlone = this.#free === this.#count;
      if (this.#free === 0 || (!isAlone && next.octets > this.#freeOctets)) return;
      this.#line.shift();
      next.enter();
    }
  }
}
