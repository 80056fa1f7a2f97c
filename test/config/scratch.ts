/** Real directories, a log that remembers, and a file system that counts, for the tests of the configuration. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Log } from '../../bindings/plugin/log-level.ts';
import { ConfigDirectory, type ConfigDirectoryOptions } from '../../host/config/config-directory.ts';
import { systemFiles, type FileSystem } from '../../host/config/file-system.ts';

/** A directory that is gone after the test. */
export function scratch(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'qpsmtpd-config-')));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes files below `directory`: a key is a path, a value its text. Returns the directory. */
export function put(directory: string, files: Record<string, string | Uint8Array>): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}

export interface RememberedLog extends Log {
  readonly errors: string[];
  readonly warnings: string[];
}

export function rememberingLog(): RememberedLog {
  const errors: string[] = [];
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  return {
    errors,
    warnings,
    writes: () => true,
    at: ignore,
    error: (text) => errors.push(text),
    warn: (text) => warnings.push(text),
    notice: ignore,
    info: ignore,
    debug: ignore,
  };
}

/** A configuration over `directories`, closed after the test. */
export function open(
  directories: readonly string[],
  options: Partial<ConfigDirectoryOptions> = {},
): { config: ConfigDirectory; log: RememberedLog } {
  const log = rememberingLog();
  const config = new ConfigDirectory({
    directories,
    log,
    hostName: 'host.example',
    watch: false,
    ...options,
  });
  onTestFinished(() => config.close());
  return { config, log };
}

/** The system's files with some calls replaced and all calls counted. */
export function countingFiles(replaced: Partial<FileSystem> = {}): FileSystem & { readonly calls: string[] } {
  const calls: string[] = [];
  const files: FileSystem = { ...systemFiles, ...replaced };
  return {
    calls,
    readFile: (path, maxOctets) => (calls.push(`readFile ${path}`), files.readFile(path, maxOctets)),
    lstat: (path) => (calls.push(`lstat ${path}`), files.lstat(path)),
    readlink: (path) => (calls.push(`readlink ${path}`), files.readlink(path)),
    readDirectory: (path) => (calls.push(`readDirectory ${path}`), files.readDirectory(path)),
    watch: (path, changed, failed) => (calls.push(`watch ${path}`), files.watch(path, changed, failed)),
  };
}

/** An error as the system throws it. */
export const systemError = (code: string): Error => Object.assign(new Error(code), { code });

/** Asks again and again until `ask` gives what was expected. */
export const eventually = <T>(ask: () => T, expected: T): Promise<void> => expect.poll(ask).toEqual(expected);
