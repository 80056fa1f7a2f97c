/** A small file of the system whose contents are kept, and read again when it has changed. */

import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** How often it is looked at, and only while somebody asks. Watching would miss files that are replaced, as most are. */
const LOOK_MS = 5_000;
/** What stands after that does not count. */
const MAX_OCTETS = 4 * 1_048_576;
const NO_STAMP = '';

export class SystemFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #value: T | undefined = undefined;
  #stamp = NO_STAMP;
  #lookAt = 0;

  /** `parse` must not throw; it is given an empty text where there is no file. */
  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  /** The same object until the file has changed; after a change at the latest at the second call more than five seconds later. */
  get current(): T {
    const now = performance.now();
    if (this.#value === undefined) {
      this.#lookAt = now + LOOK_MS;
      const stamp = stampOf(this.#path);
      const text = textOf(this.#path);
      if (text !== undefined) this.#stamp = stamp;
      return (this.#value = this.#parse(text ?? ''));
    }
    if (now >= this.#lookAt) {
      this.#lookAt = now + LOOK_MS;
      void this.look();
    }
    return this.#value;
  }

  /** Reads the file if it is another one than before. Never rejects. */
  async look(): Promise<void> {
    const stamp = await stat(this.#path).then(printStamp, () => NO_STAMP);
    if (stamp === this.#stamp) return;
    const text = textOf(this.#path);
    // A process that is out of descriptors must not lose its servers: the next look tries again.
    if (text === undefined) return;
    this.#stamp = stamp;
    this.#value = this.#parse(text);
  }
}

const printStamp = ({ ino, mtimeMs, size }: { ino: number; mtimeMs: number; size: number }): string =>
  `${ino} ${mtimeMs} ${size}`;

function stampOf(path: string): string {
  try {
    return printStamp(statSync(path));
  } catch {
    return NO_STAMP;
  }
}

/** Empty where there is no file; undefined where it can't be read. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').slice(0, MAX_OCTETS);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ENOENT' ? '' : undefined;
  }
}
