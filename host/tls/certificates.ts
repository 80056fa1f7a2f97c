/**
 * The certificates of the server: one for everybody, others by the name a client asks for. RFC 6066 section 3.
 *
 * Files that are read now and again whenever they change: certificates are renewed while the daemon runs.
 */

import type { Log } from '../../bindings/plugin/log-level.ts';
import { ProblemLog } from '../config/problem-log.ts';
import { type FileSystem, errorCode, isAbsent, isLasting } from '../config/file-system.ts';
import { ConfigError } from '../errors/error-classes.ts';
import { makeTlsContext, type TlsContext, type TlsPolicy } from './tls-context.ts';
import {
  openKeyWarning,
  parseCertificates,
  readKeyPair,
  type KeyPair,
  type KeyPairFiles,
} from './key-pair.ts';
import { ChangeWatch } from '../config/change-watch.ts';
import { followPath } from '../config/path-steps.ts';

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

/** The files and settings they come from. */
export interface CertificateSources {
  /** The first is for clients that ask for no name, or for one that no certificate stands for. */
  readonly pairs: readonly [KeyPairFiles, ...KeyPairFiles[]];
  /** PEM: authorities of client certificates. */
  readonly clientAuthorities: string | undefined;
  readonly policy: Omit<TlsPolicy, 'clientAuthorities'>;
  /** Where a cipher list that OpenSSL refuses stands. */
  readonly cipherFile: string;
}

interface Entry {
  readonly pair: KeyPair;
  readonly context: TlsContext;
}

export class Certificates {
  readonly #sources: CertificateSources;
  readonly #files: WatchedFiles;
  readonly #log: Log;
  readonly #problems: ProblemLog;
  readonly #now: () => number;
  #authorities: string | undefined;
  #entries: readonly Entry[] = [];
  /** Names of the entries; the first certificate that stands for a name has it. */
  #byName: ReadonlyMap<string, TlsContext> = new Map();

  /** Reads everything; throws a `ConfigError` if a file is missing, broken or does not fit the others. */
  constructor(sources: CertificateSources, files: FileSystem, log: Log, now: () => number) {
    this.#sources = sources;
    this.#log = log;
    this.#problems = new ProblemLog(log);
    this.#now = now;
    this.#files = new WatchedFiles(files, log, () => this.#readAgain());
    try {
      const authorities = this.#readAuthorities();
      const entries = sources.pairs.map((pair) => this.#readEntry(pair, authorities));
      this.#take(entries, authorities);
    } catch (error) {
      this.#files.close();
      throw error;
    }
  }

  get context(): TlsContext {
    return this.#entries[0]!.context;
  }

  /** There is something to choose by the server's name. */
  get areSeveral(): boolean {
    return this.#sources.pairs.length > 1;
  }

  /** `serverName` in lower case. */
  contextFor(serverName: string): TlsContext | undefined {
    const exact = this.#byName.get(serverName);
    if (exact !== undefined) return exact;
    const dot = serverName.indexOf('.');
    return dot === -1 ? undefined : this.#byName.get(`*${serverName.slice(dot)}`);
  }

  /** Stops watching the files. What was read stays. */
  close(): void {
    this.#files.close();
  }

  /**
   * A renewal may replace certificate and key one after the other, and a slip must not end encryption: what cannot be
   * used is logged, and what was read before goes on serving.
   */
  #readAgain(): void {
    const authorities = this.#orLast('client authorities', this.#authorities, () => this.#readAuthorities());
    const entries = this.#sources.pairs.map((source, index) => {
      const last = this.#entries[index]!;
      return this.#orLast(source.certificate, last, () => {
        const entry = this.#readEntry(source, authorities);
        if (entry.pair.chain !== last.pair.chain) {
          this.#log.notice(`${source.certificate}: a new certificate, used from now on`);
        }
        return entry;
      });
    });
    this.#take(entries, authorities);
  }

  #orLast<T>(about: string, last: T, read: () => T): T {
    try {
      const value = read();
      this.#problems.settle(about);
      return value;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#problems.error(about, `${error.message}; what was read before goes on serving`);
      return last;
    }
  }

  #take(entries: readonly Entry[], authorities: string | undefined): void {
    const byName = new Map<string, TlsContext>();
    for (const { pair, context } of entries) {
      this.#warnOfExpiry(pair);
      this.#warnOfOpenKey(pair);
      for (const name of pair.names) if (!byName.has(name)) byName.set(name, context);
    }
    this.#authorities = authorities;
    this.#entries = entries;
    this.#byName = byName;
  }

  #warnOfExpiry({ expiresAt, files }: KeyPair): void {
    const about = `expiry ${files.certificate}`;
    if (expiresAt > this.#now()) this.#problems.settle(about);
    else this.#problems.warn(about, `${files.certificate}: the certificate has expired; renew it`);
  }

  #warnOfOpenKey({ files }: KeyPair): void {
    const about = `open key ${files.key}`;
    const warning = openKeyWarning(files.key);
    if (warning === undefined) this.#problems.settle(about);
    else this.#problems.warn(about, warning);
  }

  #readAuthorities(): string | undefined {
    const { clientAuthorities } = this.#sources;
    if (clientAuthorities === undefined) return undefined;
    const text = this.#files.read(clientAuthorities);
    parseCertificates(clientAuthorities, text);
    return text;
  }

  #readEntry(source: KeyPairFiles, clientAuthorities: string | undefined): Entry {
    const pair = readKeyPair(source, (path) => this.#files.read(path));
    try {
      return { pair, context: makeTlsContext(pair, { ...this.#sources.policy, clientAuthorities }) };
    } catch (cause) {
      throw this.#explain(cause, source);
    }
  }

  /** The files have been looked at one by one; what OpenSSL still refuses are the ciphers, DH parameters or key sizes. */
  #explain(cause: unknown, { certificate, dhparam }: KeyPairFiles): ConfigError {
    const { message, code } = cause as { message: string; code?: unknown };
    if (/cipher/i.test(message)) {
      return new ConfigError(
        { file: this.#sources.cipherFile },
        `OpenSSL knows no cipher in '${this.#sources.policy.ciphers}'`,
        'leave the file out for HIGH',
      );
    }
    const file =
      dhparam !== undefined && /\bDH\b|dh key/i.test(`${message} ${String(code)}`) ? dhparam : certificate;
    return new ConfigError({ file }, `OpenSSL refuses it: ${message}`);
  }
}
