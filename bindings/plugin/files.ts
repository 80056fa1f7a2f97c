/** Files of plugins: what they read, append to, and make durable. Part of `Services`. */

export interface Files {
  /** Text of a regular file in UTF-8; undefined if there is none. Rejects if it can't be read or has more than `maxOctets`. */
  read(path: string, options: { maxOctets: number }): Promise<string | undefined>;
  /**
   * Text of a regular file in UTF-8. Blocks: only for use while a plugin is set up. Throws an Error with path and remedy if
   * there is none, or if it has more than `maxOctets`.
   */
  readNow(path: string, options: { maxOctets: number }): string;
  /** As `readNow`, the octets as they are; undefined if there is no such file. */
  readOctetsNow(path: string, options: { maxOctets: number }): Buffer | undefined;
  /**
   * As `readNow`, for passwords and keys: throws as well if others may read or write the file, or if it belongs to another
   * user: they could pose as this host. Besides set-up it may be asked as seldom as a connection is made.
   */
  readSecret(path: string): string;
  /** What to warn of if every user of this host may read or write the private key; undefined if it is closed to others. */
  openKeyWarning(path: string): string | undefined;
  /**
   * Puts the blocks at the end of a file, which is made if it is missing. What one process appends to one path is
   * never mixed. Rejects if that can't be done; the blocks may be there in part then.
   */
  append(path: string, blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void>;
  /** Reads a list that is no configuration file and follows its changes. Only for use while a plugin is set up. */
  keep(path: string): KeptLines;
  /**
   * For a file that is needed as a whole and is exchanged now and then, such as a database. Looks at it, so it is only for use while
   * a plugin is set up or takes a changed list over. Throws an Error with path and remedy if there is none, or if it has more
   * than `maxOctets`.
   */
  follow(path: string, options: { maxOctets: number }): FollowedFile;
  /**
   * Makes a directory with `mode`, whatever the umask is, and all that is missing above it; only for use while a plugin is
   * set up. Throws an Error that says what is wrong unless this user may then make files there.
   */
  prepareDirectory(path: string, mode: number): void;
  /**
   * For a directory that will be made with the first file in it: throws as `prepareDirectory` would, but only in a start
   * that makes nothing (`qpsmtpd check`).
   */
  expectDirectory(path: string): void;
  /** Makes one directory with `mode`, whatever the umask is; rejects with EEXIST if there is one, ENOENT without the one above. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /**
   * Resolves when all names made in the directory before the call are on disk (fsync of the directory). Callers that wait at
   * the same time share one.
   */
  syncDirectory(path: string): Promise<void>;
  /** What a path leads to, links followed; undefined if there is nothing. Rejects if that can't be known. */
  kindOf(path: string): Promise<FileKind | undefined>;
  /** What a symbolic link says, as it is written there; undefined if there is no link. Rejects if that can't be known. */
  linkTarget(path: string): Promise<string | undefined>;
  /** What stands in a directory, links not followed. Rejects if it can't be read. */
  list(path: string): Promise<readonly DirectoryEntry[]>;
  /**
   * The first `maxOctets` of a file that others may have put there, as UTF-8: no link is followed, nothing is waited for, and
   * what is no regular file reads as empty. Undefined if there is nothing.
   */
  readHead(path: string, maxOctets: number): Promise<string | undefined>;
  /**
   * Makes a file that nobody knows yet, to be renamed or linked when it is whole. Rejects with EEXIST if there is one, a
   * symbolic link included: that belongs to somebody else.
   */
  stage(path: string, options: StageOptions): Promise<StagedFile>;
}

export type FileKind = 'file' | 'directory' | 'link' | 'other';

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: FileKind;
}

export interface StageOptions {
  /** Permission bits of the file. */
  readonly mode: number;
  /** The umask takes bits away from the mode, as it does for programs. Without it the file has all of them. */
  readonly isMasked?: boolean;
}

/**
 * A file on its way to where it is looked for. It rejects with the errors of the system, code and call included; whoever
 * stages one calls `discard` if it is not to stay.
 */
export interface StagedFile {
  /** Puts blocks at the end, `head` first, in as few system calls as memory allows. The blocks are not changed. */
  write(head: Buffer, blocks?: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void>;
  /** Resolves when what was written is on disk (fsync). Its name is not: that is `Files.syncDirectory`. */
  sync(): Promise<void>;
  close(): Promise<void>;
  /** Moves it. What has that name already is replaced. */
  rename(path: string): Promise<void>;
  /** Gives it one more name; resolves to false if there is something by that name, which stays. */
  link(path: string): Promise<boolean>;
  /** Closes it and removes the name it has by `stage` or `rename`. Never rejects; once is enough. */
  discard(): Promise<void>;
}

export interface FollowedFile {
  /** False while the file is as it was when `read` was last called, readable or not; true before that. Never rejects. */
  hasChanged(): Promise<boolean>;
  /**
   * The octets, in memory that threads share (SharedArrayBuffer), so that nothing is copied on their way to one. They belong to the
   * caller. Rejects if the file can't be read, or has more than `maxOctets`.
   */
  read(): Promise<Uint8Array>;
}

/** The lines of a file, without comments, empty lines and blanks around. */
export interface KeptLines {
  /** As last read; undefined if the file was missing or could not be read. A file that vanishes later leaves its lines. */
  readonly lines: readonly string[] | undefined;
  /** Reads the file again if it has changed; looks at most once a second, and undefined means that was not needed. */
  refresh(): Promise<void> | undefined;
}
