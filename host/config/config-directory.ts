/** The configuration directory of one process. */

import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { CompiledList, Config, PlacedLine } from '../../bindings/plugin/config.ts';
import type { Log } from '../../bindings/plugin/log-level.ts';
import { ConfigError, type Place } from '../errors/error-classes.ts';
import { ChangeWatch } from './change-watch.ts';
import { CompiledLists } from './compiled-lists.ts';
import { ProblemLog } from './problem-log.ts';
import { ConfigList, emptyList, givenList } from './config-list.ts';
import { ConfigReader, type ReadFailure } from './config-reader.ts';
import { ConsultedLists, SourceSilent, type ConfigSource } from './consulted-lists.ts';
import { ConstantDatabase, emptyDatabase } from './constant-database.ts';
import { isLasting, systemFiles, type FileSystem } from './file-system.ts';
import { hostNameOf } from '../../bindings/wire/domain-name.ts';
import { LastGoodCache } from './last-good-cache.ts';

/** Reading is tried again this long after a failure that may pass by itself. */
export const RETRY_MS = 2_000;
/** Names that are kept before all are forgotten: a plugin may ask for a file by a name a client chose. */
export const MAX_NAMES = 4_096;
/** qpsmtpd's own default of `timeout`, in seconds. */
export const DEFAULT_TIMEOUT_S = 1_200;

export interface ConfigDirectoryOptions {
  /** The directories that are searched, in order: see `searchPath`. */
  readonly directories: readonly string[];
  readonly log: Log;
  /** The value of `me` without a file of that name; by default the system's host name. */
  readonly hostName?: string;
  /** False: values stay until `reread`. By default changes are noticed. */
  readonly watch?: boolean;
  /** Lines that take the place of the file of that name, if there is one. */
  readonly overlay?: ReadonlyMap<string, readonly string[]>;
  readonly files?: FileSystem;
  /** The service whose configuration it is; undefined: that of listeners without one. */
  readonly service?: ConfigService | undefined;
}

/** For a service a file `X.NAME` in any directory takes the place of `X` in any directory. */
export interface ConfigService {
  readonly name: string;
  /** Names for which it has no files of its own: they are about the whole process. */
  readonly sharedFiles: ReadonlySet<string>;
}

/**
 * Reads configuration files when they are first asked for and keeps what it read: a second question costs no call
 * to the system. A change of any file that was read, or was looked for and missing, makes it read anew.
 */
export class ConfigDirectory implements Config {
  readonly directories: readonly string[];
  readonly hostName: string;
  readonly #problems: ProblemLog;
  readonly #watch: ChangeWatch | undefined;
  readonly #reader: ConfigReader;
  readonly #lists: LastGoodCache<ConfigList>;
  readonly #databases: LastGoodCache<ConstantDatabase>;
  readonly #compiled: CompiledLists;
  readonly #overlay: ReadonlyMap<string, readonly string[]>;
  readonly #builtIn: ReadonlyMap<string, ConfigList>;
  readonly #service: ConfigService | undefined;
  /** Lists that were read from a file of the service. */
  readonly #ofService = new WeakSet<ConfigList>();
  /** The last number each name stood for. */
  readonly #numbers = new Map<string, number>();
  readonly #askedFor = new Set<string>();
  #consulted: ConsultedLists | undefined = undefined;
  #generation = 1;
  #me = '';
  #meGeneration = 0;

  constructor(options: ConfigDirectoryOptions) {
    const { directories, log, hostName, watch = true, overlay, files = systemFiles, service } = options;
    this.directories = directories.map((directory) => resolve(directory));
    this.hostName = hostName ?? hostname();
    this.#problems = new ProblemLog(log);
    this.#watch = watch ? new ChangeWatch(files, log, () => this.#drop()) : undefined;
    this.#reader = new ConfigReader(this.directories, files, this.#problems, this.#watch);
    this.#lists = new LastGoodCache((name) => this.#readList(name), this.#problems);
    this.#databases = new LastGoodCache((name) => this.#readDatabase(name), this.#problems);
    this.#compiled = new CompiledLists(this, this.#problems);
    this.#overlay = overlay ?? new Map();
    this.#service = service;
    const builtIn = (name: string, text: string): [string, ConfigList] => [
      name,
      givenList([text], join(this.directories[0] ?? '.', name)),
    ];
    this.#builtIn = new Map([builtIn('me', this.hostName), builtIn('timeout', String(DEFAULT_TIMEOUT_S))]);
  }

  /** From now on `source` is asked first for every name. What was read so far is read anew. */
  consult(source: ConfigSource): void {
    this.#consulted?.close();
    this.#consulted = new ConsultedLists(source, () => this.#drop());
    // A source may have to fetch its answers: what plugins read at set-up is theirs to read again soon.
    for (const name of this.#lists.names) this.#consulted.list(name);
    // What was made of the files alone is no last good value of what the source has.
    this.#compiled.forget();
    this.#drop();
  }

  /** Asks `source` at once whether anything has changed, as is done every second anyway. */
  consultAgain(): void {
    this.#consulted?.askAgain();
  }

  /** Goes up with every change: what was made of values under another generation is out of date. */
  get generation(): number {
    return this.#generation;
  }

  /** Names that were looked for, those of constant databases with `.cdb`: a file with another name has no effect. */
  get askedFor(): ReadonlySet<string> {
    return this.#askedFor;
  }

  get me(): string {
    if (this.#meGeneration !== this.#generation) {
      this.#meGeneration = this.#generation;
      this.#me = this.#readMe();
    }
    return this.#me;
  }

  value(name: string): string | undefined {
    return this.#list(name).first;
  }

  lines(name: string): readonly string[] {
    return this.#list(name).lines;
  }

  /** The lines and where they stand, made anew for each call: for what is read at start, not for every message. */
  linesWithPlaces(name: string): readonly PlacedLine[] {
    return this.#list(name).placed();
  }

  /** Where the first line stands or, without one, the file an operator would write. */
  placeOf(name: string): Place {
    const list = this.#listIfKnown(name);
    const file = list !== undefined && this.#ofService.has(list) ? this.#nameInService(name)! : name;
    return list?.place(0) ?? { file: join(this.directories[0] ?? '.', file) };
  }

  /** True if a file of the service has taken the place of the general one. */
  isOfService(name: string): boolean {
    const list = this.#listIfKnown(name);
    return list !== undefined && this.#ofService.has(list);
  }

  /** True if `name` has a line in a file, and not only a built-in value. */
  isWritten(name: string): boolean {
    const list = this.#listIfKnown(name);
    return list?.first !== undefined && list !== this.#builtIn.get(name);
  }

  number(name: string, fallback: number): number {
    const list = this.#list(name);
    if (list.first === undefined) return fallback;
    if (!Number.isNaN(list.number)) {
      if (this.#numbers.get(name) !== list.number) this.#numbers.set(name, list.number);
      return list.number;
    }
    const { message } = new ConfigError(this.placeOf(name), `'${list.first}' is not a number`);
    const instead = this.#numbers.get(name) ?? fallback;
    this.#problems.error(`number ${name}`, `${message}; using ${instead}`);
    return instead;
  }

  flag(name: string): boolean {
    return this.#list(name).isTrue;
  }

  map(name: string, key: string): string | undefined {
    const database = this.#databases.known(name) ?? this.#readNew(this.#databases, name) ?? emptyDatabase;
    return database.get(Buffer.from(key))?.toString();
  }

  list<T>(name: string, compile: (lines: readonly string[]) => T): CompiledList<T> {
    return this.#compiled.open(name, compile);
  }

  /** Throws a ConfigError if a file that belongs to `name` exists and can't be read. A missing file is in order. */
  requireReadable(name: string): void {
    this.#readList(name);
  }

  /** Forgets everything that was read, and what was complained about: for SIGHUP. */
  reread(): void {
    this.#problems.forget();
    this.#drop();
  }

  /** Stops watching. What was read stays. */
  close(): void {
    this.#watch?.close();
    this.#consulted?.close();
  }

  #list(name: string): ConfigList {
    const told = isInside(name) ? this.#consulted?.list(name) : undefined;
    if (told instanceof ConfigList) return told;
    const list = this.#lists.known(name) ?? this.#readNew(this.#lists, name) ?? emptyList;
    // Only a file that is there can stand in for a source that does not answer.
    if (told !== undefined && list === emptyList) throw told;
    return list.first === undefined ? (this.#builtIn.get(name) ?? list) : list;
  }

  #listIfKnown(name: string): ConfigList | undefined {
    try {
      return this.#list(name);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return undefined;
    }
  }

  /**
   * Undefined for a name that leads out of the configuration directory: a plugin that asks for `dkim/DOMAIN/private`
   * must not read any file of the system because a client claimed the domain `../../..`.
   */
  #readNew<V extends object>(kept: LastGoodCache<V>, name: string): V | undefined {
    if (!isInside(name)) {
      this.#problems.error('name', `'${name}' does not name a file in the configuration directory`);
      return undefined;
    }
    if (this.#lists.size + this.#databases.size >= MAX_NAMES) this.#forget();
    const ending = (kept as unknown) === this.#databases ? '.cdb' : '';
    for (const each of [this.#nameInService(name), name])
      if (each !== undefined && this.#askedFor.size < MAX_NAMES) this.#askedFor.add(`${each}${ending}`);
    return kept.read(name);
  }

  /** The name of the file that the service may have in place of `name`; undefined if it can have none. */
  #nameInService(name: string): string | undefined {
    const service = this.#service;
    return service === undefined || service.sharedFiles.has(name) ? undefined : `${name}.${service.name}`;
  }

  #readList(name: string): ConfigList {
    const inService = this.#nameInService(name);
    const own = inService === undefined ? emptyList : this.#readFile(inService);
    if (own !== emptyList) this.#ofService.add(own);
    const list = own === emptyList ? this.#readFile(name) : own;
    if (!Number.isNaN(list.number)) this.#problems.settle(`number ${name}`);
    return list;
  }

  /** `emptyList` itself if there is no such file. */
  #readFile(name: string): ConfigList {
    const given = this.#overlay.get(name);
    if (given !== undefined) return givenList(given, name);
    const { list, failures } = this.#reader.list(name);
    this.#refuse(failures);
    return list;
  }

  #readDatabase(name: string): ConstantDatabase {
    const inService = this.#nameInService(name);
    const own = inService === undefined ? undefined : this.#reader.octets(`${inService}.cdb`);
    const found = own ?? this.#reader.octets(`${name}.cdb`);
    if (found === undefined) return emptyDatabase;
    const { file, octets, failures } = found;
    this.#refuse(failures);
    try {
      return new ConstantDatabase(octets!);
    } catch (cause) {
      throw new ConfigError({ file }, (cause as Error).message, REPLACE_AS_A_WHOLE);
    }
  }

  /** Throws for the first failure; what may pass by itself is read again soon. */
  #refuse(failures: readonly ReadFailure[]): void {
    const [first] = failures;
    if (first === undefined) return;
    if (failures.some(({ code }) => !isLasting(code))) this.#watch?.changeIn(RETRY_MS);
    throw new ConfigError({ file: first.file }, `can't be read (${first.code})`, remedyFor(first.code));
  }

  #readMe(): string {
    let problem = '';
    try {
      const text = this.value('me') ?? '';
      const me = hostNameOf(text);
      if (me !== undefined) {
        this.#problems.settle('me');
        return me;
      }
      problem = new ConfigError(this.placeOf('me'), `'${text}' is not a host name`).message;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (error instanceof SourceSilent) return this.#me === '' ? this.hostName : this.#me;
      problem = error.message;
    }
    const instead = this.#me === '' ? this.hostName : this.#me;
    this.#problems.error('me', `${problem}; using ${instead}`);
    return instead;
  }

  #drop(): void {
    this.#generation++;
    this.#lists.drop();
    this.#databases.drop();
    this.#watch?.reset();
  }

  #forget(): void {
    this.#drop();
    // Names that clients make up lead to no file, so what stays is bounded by the files there are.
    this.#lists.forget((list) => list !== emptyList);
    this.#databases.forget((database) => database !== emptyDatabase);
    this.#numbers.clear();
    this.#problems.forget();
  }
}

const REPLACE_AS_A_WHOLE = 'make it again beside the old one and rename it into its place';

function remedyFor(code: string): string {
  if (code === 'EMFILE') return 'raise the limit of open files';
  if (code === 'EISDIR' || code === 'ENOTREG') return 'put a file in its place, or remove it';
  return 'check that it is a file and who may read it';
}

/** True for a relative path that stays below where it starts. */
const isInside = (name: string): boolean =>
  name !== '' && !name.startsWith('/') && !name.includes('\0') && !name.split('/').includes('..');
