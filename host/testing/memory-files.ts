/** Files in memory: `services.files` of a test. */

import { posix } from 'node:path';
import type {
  DirectoryEntry,
  FileKind,
  Files,
  FollowedFile,
  KeptLines,
  StagedFile,
  StageOptions,
} from '../../bindings/plugin/files.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { splitLines } from '../services/files.ts';

type Blocks = Iterable<Buffer> | AsyncIterable<Buffer>;

interface File {
  readonly content: Buffer;
  /** Permission bits. */
  readonly mode: number;
}

const PRIVATE = 0o600;
const MAX_SECRET_OCTETS = 65_536;
/** Bits of group and others. */
const OTHERS = 0o077;
const EVERYBODY = 0o006;

/**
 * Files by path; texts are kept in UTF-8. `./a` and `a` are the same file. What a plugin makes needs its directory, as on disk; what
 * the test writes brings its own.
 */
export class MemoryFiles implements Files {
  /** The paths that plugins have asked for by `read`, as they wrote them. */
  readonly reads: string[] = [];
  readonly #files = new Map<string, File>();
  readonly #directories = new Set<string>(['/', '.', '..']);
  readonly #links = new Map<string, string>();
  readonly #faults = new Map<string, Error>();

  constructor(files: Readonly<Record<string, string | Buffer>> = {}) {
    for (const [path, content] of Object.entries(files)) this.write(path, content);
  }

  /** Makes the file, or replaces it. */
  write(path: string, content: string | Buffer, mode = PRIVATE): void {
    const name = posix.normalize(path);
    this.#faults.delete(name);
    this.prepareDirectory(posix.dirname(name));
    this.#files.set(name, { content: typeof content === 'string' ? Buffer.from(content) : content, mode });
  }

  /** For `linkTarget` alone: nothing else follows the link. */
  link(path: string, target: string): void {
    this.#links.set(posix.normalize(path), target);
  }

  remove(path: string): void {
    this.#files.delete(posix.normalize(path));
  }

  /** From now on whatever a plugin does with the file or directory fails. `write` mends that. */
  fail(path: string, error: Error = systemError('EIO', path)): void {
    this.#faults.set(posix.normalize(path), error);
  }

  /** What stands in the file, in UTF-8; undefined if there is none. */
  text(path: string): string | undefined {
    return this.#files.get(posix.normalize(path))?.content.toString('utf8');
  }

  /** The paths of all files, sorted. */
  get paths(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  async read(path: string, { maxOctets }: { maxOctets: number }): Promise<string | undefined> {
    this.reads.push(path);
    const octets = this.#file(path)?.content;
    if (octets !== undefined && octets.length > maxOctets)
      throw new QpsmtpdError('Q_DELIVERY', `${path}: more than ${maxOctets} octets`);
    return octets?.toString('utf8');
  }

  readNow(path: string, options: { maxOctets: number }): string {
    return this.#octetsOf(path, options).toString('utf8');
  }

  readOctetsNow(path: string, { maxOctets }: { maxOctets: number }): Buffer | undefined {
    const fault = this.#faults.get(posix.normalize(path));
    if (fault !== undefined)
      throw new QpsmtpdError('Q_CONFIG', `${path}: can't be read: ${codeOf(fault) ?? 'ENOENT'}`);
    const file = this.#files.get(posix.normalize(path));
    if (file !== undefined && file.content.length > maxOctets)
      throw new QpsmtpdError('Q_CONFIG', `${path}: has more than ${maxOctets} octets`);
    return file?.content;
  }

  #octetsOf(path: string, options: { maxOctets: number }): Buffer {
    const octets = this.readOctetsNow(path, options);
    if (octets === undefined) throw new QpsmtpdError('Q_CONFIG', `${path}: can't be read: ENOENT`);
    return octets;
  }

  readSecret(path: string): string {
    if (((this.#files.get(posix.normalize(path))?.mode ?? 0) & OTHERS) !== 0)
      throw new QpsmtpdError('Q_CONFIG', `${path}: can be read or written by others (chmod 600)`);
    return this.readNow(path, { maxOctets: MAX_SECRET_OCTETS });
  }

  openKeyWarning(path: string): string | undefined {
    const isOpen = ((this.#files.get(posix.normalize(path))?.mode ?? 0) & EVERYBODY) !== 0;
    return isOpen ? `${path}: every user of this host can read or write the private key` : undefined;
  }

  async append(path: string, blocks: Blocks): Promise<void> {
    const added = await joined(blocks);
    const { content = Buffer.alloc(0), mode = PRIVATE } = this.#file(path) ?? {};
    this.#put(path, { content: Buffer.concat([content, added]), mode });
  }

  /** Looks at the file at each `refresh`, not once a second. */
  keep(path: string): KeptLines {
    const linesOf = (file: File | undefined): readonly string[] | undefined =>
      file === undefined ? undefined : splitLines(file.content.toString('utf8'));
    let seen = this.#file(path);
    const kept = {
      lines: linesOf(seen),
      refresh: (): Promise<void> | undefined => {
        const file = this.#files.get(posix.normalize(path));
        if (file === seen || file === undefined || this.#faults.has(posix.normalize(path))) return undefined;
        seen = file;
        kept.lines = linesOf(file);
        return Promise.resolve();
      },
    };
    return kept;
  }

  follow(path: string, options: { maxOctets: number }): FollowedFile {
    const now = (): Buffer | string => {
      try {
        return this.#octetsOf(path, options);
      } catch (cause) {
        return String(cause);
      }
    };
    this.#octetsOf(path, options);
    let seen: Buffer | string | undefined;
    return {
      hasChanged: async () => now() !== seen,
      read: async () => {
        seen = now();
        const content = this.#octetsOf(path, options);
        const octets = new Uint8Array(new SharedArrayBuffer(content.length));
        octets.set(content);
        return octets;
      },
    };
  }

  /** There is none in memory. */
  prepareDirectory(path: string): void {
    const name = posix.normalize(path);
    const fault = this.#faults.get(name);
    if (fault !== undefined) throw fault;
    if (this.#directories.has(name)) return;
    this.prepareDirectory(posix.dirname(name));
    this.#directories.add(name);
  }

  expectDirectory(): void {
    return;
  }

  async makeDirectory(path: string): Promise<void> {
    const name = posix.normalize(path);
    if (this.#kindOf(name) !== undefined) throw systemError('EEXIST', path);
    if (!this.#directories.has(posix.dirname(name))) throw systemError('ENOENT', path);
    this.prepareDirectory(name);
  }

  async syncDirectory(path: string): Promise<void> {
    if (this.#kindOf(path) !== 'directory') throw systemError('ENOENT', path);
  }

  async kindOf(path: string): Promise<FileKind | undefined> {
    return this.#kindOf(path);
  }

  async linkTarget(path: string): Promise<string | undefined> {
    return this.#links.get(posix.normalize(path));
  }

  async list(path: string): Promise<readonly DirectoryEntry[]> {
    const folder = posix.normalize(path);
    if (this.#kindOf(folder) !== 'directory') throw systemError('ENOENT', path);
    return [...this.#directories, ...this.#files.keys()]
      .filter((each) => each !== folder && posix.dirname(each) === folder)
      .map((each) => ({ name: posix.basename(each), kind: this.#kindOf(each)! }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async readHead(path: string, maxOctets: number): Promise<string | undefined> {
    if (this.#kindOf(path) === 'directory') return '';
    return this.#file(path)?.content.toString('utf8', 0, maxOctets);
  }

  async stage(path: string, { mode }: StageOptions): Promise<StagedFile> {
    if (this.#kindOf(path) !== undefined) throw systemError('EEXIST', path);
    this.#put(path, { content: Buffer.alloc(0), mode });
    return this.#staged(path);
  }

  /** `at` is where the file stands now; undefined once it is discarded. */
  #staged(path: string): StagedFile {
    let at: string | undefined = posix.normalize(path);
    const own = (): File => {
      const file = at === undefined ? undefined : this.#file(at);
      if (file === undefined) throw systemError('ENOENT', path);
      return file;
    };
    const done = async (): Promise<void> => void own();
    return {
      write: async (head, blocks = []) => {
        const added = await joined(blocks);
        const { content, mode } = own();
        this.#put(at!, { content: Buffer.concat([content, head, added]), mode });
      },
      sync: done,
      close: done,
      rename: async (to) => {
        const file = own();
        this.#put(to, file);
        if (posix.normalize(to) !== at) this.remove(at!);
        at = posix.normalize(to);
      },
      link: async (to) => {
        if (this.#kindOf(to) !== undefined) return false;
        this.#put(to, own());
        return true;
      },
      discard: async () => {
        if (at !== undefined) this.remove(at);
        at = undefined;
      },
    };
  }

  #put(path: string, file: File): void {
    const name = posix.normalize(path);
    const fault = this.#faults.get(name);
    if (fault !== undefined) throw fault;
    if (!this.#directories.has(posix.dirname(name))) throw systemError('ENOENT', path);
    this.#files.set(name, file);
  }

  #kindOf(path: string): FileKind | undefined {
    const name = posix.normalize(path);
    const fault = this.#faults.get(name);
    if (fault !== undefined) throw fault;
    if (this.#directories.has(name)) return 'directory';
    return this.#files.has(name) ? 'file' : undefined;
  }

  #file(path: string): File | undefined {
    const name = posix.normalize(path);
    const fault = this.#faults.get(name);
    if (fault !== undefined) throw fault;
    return this.#files.get(name);
  }
}

async function joined(blocks: Blocks): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const block of blocks) parts.push(block);
  return Buffer.concat(parts);
}

const codeOf = (error: Error | undefined): string | undefined =>
  (error as NodeJS.ErrnoException | undefined)?.code;

const systemError = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${path}`), { code, path });
