/** A small file of the system whose contents are kept, and read again when it has changed. */

import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** How often it is looked at, and only while somebody asks. Watching would miss files that are replaced, as most are. */
const LOOK_MS = 5_000;
/** What stands after that is not read. */
const MAX_OCTETS = 4 * 1_048_576;

export class FollowedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #value: T | undefined = undefined;
  #stamp = '';
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
      this.#stamp = stampOf(this.#path);
      return (this.#value = this.#parse(textOf(this.#path)));
    }
    if (now >= this.#lookAt) {
      this.#lookAt = now + LOOK_MS;
      void this.look();
    }
    return this.#value;
  }

  /** Reads the file if it is another one than before. Never rejects. */
  async look(): Promise<void> {
    const stamp = await stat(this.#path).then(printStamp, () => '');
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#value = this.#parse(textOf(this.#path));
  }
}

const printStamp = ({ ino, mtimeMs, size }: { ino: number; mtimeMs: number; size: number }): string =>
  `${ino} ${mtimeMs} ${size}`;

function stampOf(path: string): string {
  try {
    return printStamp(statSync(path));
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1').slice(0, MAX_OCTETS);
  } catch {
    return '';
  }
}
