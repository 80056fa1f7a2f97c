/**
 * The file of a Unix socket that this process has to remove at its end. It is bound under another name, which no client looks for, and
 * gets its own when it has its permissions. Node removes the name it has bound when it closes a socket, and finds nothing
 * there: so the socket can live on in another process.
 */

import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, lstatSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { UnixSpec } from './listen-spec.ts';

/** The most octets that the path of a socket may have: `sun_path` less the final NUL. */
const MAX_OCTETS = 107;

/** A program that ends by `process.exit` closes nothing before. */
const owned = new Set<SocketPath>();
process.once('exit', () => {
  for (const path of owned) path.remove();
});

export class SocketPath {
  /** The name to bind. */
  readonly draft: string;
  readonly #path: string;
  readonly #mode: number;
  #identity = '';

  constructor({ path, mode }: UnixSpec) {
    const draft = join(dirname(path), `.${randomBytes(4).toString('base64url')}`);
    this.draft = Buffer.byteLength(draft) > MAX_OCTETS ? path : draft;
    this.#path = path;
    this.#mode = mode;
  }

  /** Gives the socket that was bound its permissions and its name. Throws what the system says, such as EEXIST. */
  publish(): void {
    chmodSync(this.draft, this.#mode);
    if (this.draft !== this.#path) {
      try {
        linkSync(this.draft, this.#path);
      } finally {
        unlinkSync(this.draft);
      }
    }
    this.#own();
  }

  /** Takes over the file of a socket that was passed on. Root has made it where root was given up: only its owner may change it. */
  inherit(): void {
    if ((lstatSync(this.#path).mode & 0o777) !== this.#mode) chmodSync(this.#path, this.#mode);
    this.#own();
  }

  /** Leaves the file to the process that the socket was passed on to. */
  passOn(): void {
    owned.delete(this);
  }

  /** Removes the file, unless another process has put its own there. */
  remove(): void {
    if (!owned.delete(this)) return;
    try {
      if (identityOf(this.#path) === this.#identity) unlinkSync(this.#path);
    } catch {
      // It is gone already, or the folder is not ours any more: the next start finds a stale one.
    }
  }

  #own(): void {
    this.#identity = identityOf(this.#path);
    owned.add(this);
  }
}

function identityOf(path: string): string {
  const { dev, ino } = lstatSync(path);
  return `${dev} ${ino}`;
}
