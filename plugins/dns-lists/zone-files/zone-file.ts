/** Zone files: read in a thread, and read again when they change, while the zone that was read before answers. */

import type {
  Clock,
  Files,
  FollowedFile,
  Log,
  Services,
  WorkerPool,
} from '../../../bindings/plugin/index.ts';
import type { ZoneFormat } from './zone-entries.ts';
import type { ZoneReading } from './zone-parser.ts';
import type * as parser from './zone-parser.ts';
import { Zone } from './zone.ts';

/** Twenty million entries. */
const MAX_OCTETS = 536_870_912;
/** A million entries take about two seconds. */
const READING_MS = 300_000;
const MEMORY_MB = 512;
const LOOK_EVERY_MS = 1_000;

export interface ZoneFileOptions {
  /** As rbldnsd combines them: one after the other, each with defaults of its own. */
  readonly paths: readonly string[];
  readonly format: ZoneFormat;
}

type Environment = Pick<Services, 'clock' | 'files' | 'random' | 'workers'>;

/** What all zone files of a plugin share. */
export class ZoneFiles {
  readonly #services: Environment;
  readonly #log: Log;
  readonly #pool: WorkerPool<typeof parser>;

  constructor(services: Environment, log: Log) {
    this.#services = services;
    this.#log = log;
    // Beside this file once it is compiled.
    const module = new URL('./zone-parser.js', import.meta.url);
    this.#pool = services.workers.open({ module, threads: 1, waiting: 1_000, memoryMb: MEMORY_MB });
  }

  /** Throws an Error with path and remedy if a file is missing or can't be read. Reading begins with `ZoneFile.load`. */
  open(options: ZoneFileOptions): ZoneFile {
    const { clock, files, random } = this.#services;
    const read = (octets: readonly Uint8Array[]): Promise<ZoneReading> =>
      this.#pool.run(
        'readZone',
        { files: octets, format: options.format, nowMs: clock.now(), seed: Math.floor(random() * 2 ** 32) },
        { timeoutMs: READING_MS },
      );
    return new ZoneFile(options, { clock, files, log: this.#log, read });
  }

  close(): void {
    this.#pool.close();
  }
}

interface ZoneFileEnvironment {
  readonly clock: Clock;
  readonly files: Files;
  readonly log: Log;
  readonly read: (octets: readonly Uint8Array[]) => Promise<ZoneReading>;
}

export class ZoneFile {
  readonly #paths: readonly string[];
  readonly #files: readonly FollowedFile[];
  readonly #environment: ZoneFileEnvironment;
  #zone: Zone | undefined;
  #problem: string | undefined;
  #loading: Promise<void> | undefined;
  #lookAtMs = -Infinity;

  constructor({ paths }: ZoneFileOptions, environment: ZoneFileEnvironment) {
    this.#paths = paths;
    this.#environment = environment;
    this.#files = paths.map((path) => environment.files.follow(path, { maxOctets: MAX_OCTETS }));
  }

  /** What answers now; undefined if nothing was read so far. A look at the files may begin with it, once a second. */
  get zone(): Zone | undefined {
    this.#look();
    return this.#zone;
  }

  /** Why the last reading brought no zone; undefined if it did, or if there was none so far. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Resolves when the files have been read for the first time, whether that succeeded or not. Never rejects. */
  load(): Promise<void> {
    if (this.#lookAtMs === -Infinity) this.#look();
    return this.#loading ?? Promise.resolve();
  }

  #look(): void {
    if (this.#loading !== undefined) return;
    const now = this.#environment.clock.now();
    // A clock that was set back does not keep us from looking.
    if (now < this.#lookAtMs && now >= this.#lookAtMs - LOOK_EVERY_MS) return;
    this.#lookAtMs = now + LOOK_EVERY_MS;
    this.#loading = this.#readIfChanged().finally(() => (this.#loading = undefined));
  }

  /** Never rejects. */
  async #readIfChanged(): Promise<void> {
    const changes = await Promise.all(this.#files.map((file) => file.hasChanged()));
    if (!changes.includes(true)) return;
    try {
      await this.#read();
      this.#problem = undefined;
    } catch (cause) {
      this.#problem = cause instanceof Error ? cause.message : String(cause);
      const consequence = this.#zone === undefined ? 'it lists nobody' : 'what was read before still counts';
      this.#environment.log.error(`${this.#problem}; ${consequence}`);
    }
  }

  async #read(): Promise<void> {
    const { log, read } = this.#environment;
    const names = this.#paths.join(', ');
    const octets: Uint8Array[] = [];
    for (const file of this.#files) octets.push(await file.read());
    const { entries, leftOut, problems, zone } = await read(octets).catch((cause: unknown) => {
      throw new Error(`${names}: ${String(cause)}`, { cause });
    });
    const places = problems.map(({ file, line, text }) => `${this.#paths[file]} line ${line}: ${text}`);
    if (zone === undefined) throw new Error(`${places[0] ?? names}: no zone of this format`);
    for (const place of places) log.warn(`left out: ${place}`);
    if (leftOut > places.length) log.warn(`left out: ${leftOut - places.length} more lines of ${names}`);
    this.#zone = new Zone(zone);
    log.notice(`${names}: ${entries} entries, ${Math.ceil(this.#zone.octets / 1_000)} kB in memory`);
  }
}
