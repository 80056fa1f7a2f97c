/** Files that are read now and again whenever they change: certificates are renewed while the daemon runs. */

import type { Log } from '../../bindings/plugin/log-level.ts';
import { ChangeWatch } from '../config/change-watch.ts';
import { errorCode, isAbsent, isLasting, type FileSystem } from '../config/file-system.ts';
import { followPath } from '../config/path-steps.ts';
import { ConfigError } from '../errors/error-classes.ts';

/** A certificate with its chain has some kilobytes. */
const MAX_OCTETS = 1_048_576;
/** After a failure that may be over at once, such as a lack of file descriptors. */
const RETRY_MS = 1_000;

export class WatchedFiles {
  readonly #files: FileSystem;
  readonly #watch: ChangeWatch;

  /** `changed` is called some milliseconds after a file changed; the owner then reads all of them again. */
  constructor(files: FileSystem, log: Log, changed: () => void) {
    this.#files = files;
    this.#watch = new ChangeWatch(files, log, () => {
      this.#watch.reset();
      changed();
    });
  }

  /** The text of a file, watched from now on along all symbolic links. Throws a `ConfigError`. */
  read(path: string): string {
    try {
      const { real } = followPath(path, this.#files, this.#watch);
      return this.#files.readFile(real, MAX_OCTETS).toString('latin1');
    } catch (cause) {
      const code = errorCode(cause);
      if (!isAbsent(code) && !isLasting(code)) this.#watch.changeIn(RETRY_MS);
      throw new ConfigError({ file: path }, `can't be read (${code || String(cause)})`, remedyOf(code));
    }
  }

  close(): void {
    this.#watch.close();
  }
}

function remedyOf(code: string): string {
  if (code === 'ENOENT') return 'make a certificate with `qpsmtpd tls-cert`, or name the files of your own';
  if (code === 'EACCES') return 'the user the daemon runs as must be allowed to read it';
  return 'check that it is a file and who may read it';
}
