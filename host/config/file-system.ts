/**
 * The file system as the configuration needs it: few calls, so that a test can count them or let them fail; and what the codes of
 * its errors mean.
 */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  watch,
  type Stats,
} from 'node:fs';

/** Something that reports until it is closed. */
export interface Watch {
  close(): void;
}

export interface FileSystem {
  /**
   * The octets of a regular file. Never waits: a FIFO or a device in the place of a file is refused, not opened for
   * as long as nobody writes to it. Throws the system's error, `EISDIR`, `NotRegularError` or `TooLargeError`.
   */
  readFile(path: string, maxOctets: number): Buffer;
  /** Facts about the entry itself, symbolic links not followed. */
  lstat(path: string): Stats;
  readlink(path: string): string;
  /** The names in a directory, unsorted. */
  readDirectory(path: string): readonly string[];
  /**
   * Reports changes of the entries of `directory`, itself not followed into. `changed` gets the name of the entry,
   * or null if the system does not say. Never keeps the process alive. Throws if the directory can't be watched.
   */
  watch(directory: string, changed: (name: string | null) => void, failed: (error: Error) => void): Watch;
}

/** A file is larger than the configuration may be. */
export class TooLargeError extends Error {
  readonly octets: number;

  constructor(octets: number) {
    super(`is larger than ${octets} octets`);
    this.octets = octets;
  }
}

/** What stands in the place of a configuration file is a device, a FIFO or a socket. */
export class NotRegularError extends Error {
  readonly code = 'ENOTREG';

  constructor() {
    super('is not a regular file');
  }
}

/** The file system of the machine. */
export const systemFiles: FileSystem = {
  readFile,
  lstat: (path) => lstatSync(path),
  readlink: (path) => readlinkSync(path),
  readDirectory: (path) => readdirSync(path),
  watch(directory, changed, failed) {
    const watcher = watch(directory, { persistent: false }, (_event, name) => changed(name));
    watcher.on('error', failed);
    return watcher;
  },
};

function readFile(path: string, maxOctets: number): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(file);
    if (facts.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
    if (!facts.isFile()) throw new NotRegularError();
    if (facts.size > maxOctets) throw new TooLargeError(maxOctets);
    return readWhole(file, facts.size, maxOctets);
  } finally {
    closeSync(file);
  }
}

/** The size is only a hint: files of /proc say 0, and a file may grow while it is read. */
function readWhole(file: number, expected: number, maxOctets: number): Buffer {
  let octets = Buffer.allocUnsafeSlow(expected + 1);
  let length = 0;
  for (;;) {
    const count = readSync(file, octets, length, octets.length - length, null);
    if (count === 0) return octets.subarray(0, length);
    length += count;
    if (length > maxOctets) throw new TooLargeError(maxOctets);
    if (length === octets.length) {
      const larger = Buffer.allocUnsafeSlow(octets.length + 65_536);
      octets.copy(larger);
      octets = larger;
    }
  }
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);
const LASTING = new Set(['EACCES', 'EPERM', 'EISDIR', 'ENOTREG', 'ELOOP']);

/** The code of a system error; '' for anything else. */
export function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The file does not exist. */
export const isAbsent = (code: string): boolean => ABSENT.has(code);

/** Lasts until the file changes. Anything else, such as a lack of file descriptors, may be over at once. */
export const isLasting = (code: string): boolean => LASTING.has(code);
