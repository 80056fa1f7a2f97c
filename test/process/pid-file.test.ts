import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { QpsmtpdError } from '../../host/errors/error-classes.ts';
import { exitCodeOf } from '../../host/process/exit-code.ts';
import { PidFile } from '../../host/process/pid-file.ts';
import { fillDisk, smallDisk } from '../message/small-disk.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-pid-'));
  path = join(folder, 'qpsmtpd.pid');
});
afterEach(() => rmSync(folder, { recursive: true }));

const own = `${process.pid}\n`;

it('holds the own pid, readable for everybody, and leaves nothing else in the folder', () => {
  PidFile.claim(path);
  expect(readFileSync(path, 'latin1')).toBe(own);
  expect(statSync(path).mode & 0o444).toBe(0o444);
  expect(readdirSync(folder)).toEqual(['qpsmtpd.pid']);
});

it('refuses when the file names a running process, in the words and with the exit code of the Perl daemon', () => {
  writeFileSync(path, '4711\n');
  let error: unknown;
  try {
    PidFile.claim(path, (pid) => pid === 4711);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(QpsmtpdError);
  expect(error).toMatchObject({ message: 'Found an already running qpsmtpd with pid 4711.' });
  expect(exitCodeOf(error)).toBe(25);
  expect(readFileSync(path, 'latin1')).toBe('4711\n');
  expect(readdirSync(folder)).toEqual(['qpsmtpd.pid']);
});

it('sees a process of another user as running', () => {
  writeFileSync(path, '1\n');
  expect(() => PidFile.claim(path)).toThrow('Found an already running qpsmtpd with pid 1.');
});

it.each([
  ['of a dead process', '4711\n'],
  ['without a number', 'qpsmtpd\n'],
  ['that is empty', ''],
  ['with the own pid, as after the restart of a container', own],
  ['with a pid that would mean a process group', '-1\n'],
])('replaces a file %s', (_case, content) => {
  writeFileSync(path, content);
  PidFile.claim(path, (pid) => pid !== 4711);
  expect(readFileSync(path, 'latin1')).toBe(own);
});

it('removes its file, but not one that another daemon has written since', () => {
  const pidFile = PidFile.claim(path);
  pidFile.remove();
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(path, '4711\n');
  pidFile.remove();
  expect(readFileSync(path, 'latin1')).toBe('4711\n');
});

it('must have an absolute path', () => {
  expect(() => PidFile.claim('qpsmtpd.pid')).toThrow('--pid-file qpsmtpd.pid: the path must be absolute');
});

it('names the file and a remedy when it cannot be written', () => {
  const missing = join(folder, 'missing/qpsmtpd.pid');
  expect(() => PidFile.claim(missing)).toThrow(
    `${missing}: cannot write the pid file: the directory ${join(folder, 'missing')} does not exist`,
  );
});

it('is not claimed, and leaves nothing, where the disk is full', () => {
  const disk = smallDisk();
  const makeRoom = fillDisk(disk);
  const full = join(disk, 'qpsmtpd.pid');
  expect(() => PidFile.claim(full)).toThrow('cannot write the pid file: ENOSPC');
  makeRoom();
  expect(readdirSync(disk)).toEqual([]);
});
