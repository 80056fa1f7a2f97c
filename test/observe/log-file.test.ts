/** A log file on a disk that becomes full. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LogFile } from '../../host/observe/log-file.ts';
import { fillDisk, smallDisk } from '../message/small-disk.ts';

const LONG = 'x'.repeat(3_000);

it('counts the lines that find no room, and lets none begin in the middle of a cut one', async () => {
  const disk = smallDisk();
  const path = join(disk, 'log');
  const complaints: string[] = [];
  const log = new LogFile(path, (problem) => complaints.push(problem));
  log.write(LONG);
  await expect.poll(() => readFileSync(path, 'utf8')).toBe(`${LONG}\n`);
  const makeRoom = fillDisk(disk);
  log.write(`cut ${LONG}`);
  log.write('lost');
  await expect.poll(() => complaints).toEqual([expect.stringContaining('ENOSPC')]);
  makeRoom();
  log.lookAgain();
  log.write('next');
  await expect.poll(() => readFileSync(path, 'utf8').split('\n').at(-2)).toBe('next');
  expect(complaints[1]).toBe(`log file ${path} works again; 2 lines are lost`);
  log.close();
});
