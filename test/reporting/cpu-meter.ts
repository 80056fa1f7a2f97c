/** Set-up of every test file: leaves in `meta` what its tests and its loading cost, for `cpu-reporter.ts`. */

import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach } from 'vitest';

declare module 'vitest' {
  /** Milliseconds of processor time, of all threads, and of child processes that have ended. */
  interface TaskMeta {
    /** Of a test, with its hooks. */
    cpuMs?: number;
    /** Of a file. */
    fileCpu?: FileCpu;
  }
}

/** All in milliseconds. */
export interface FileCpu {
  /** What the process did before: its start, or the end of another file. */
  readonly beforeMs: number;
  /** Loading the file and what it imports. */
  readonly loadMs: number;
  /** From there to the end of the last test. */
  readonly runMs: number;
}

/** The kernel counts children in hundredths of a second (`USER_HZ`). */
const TICK_MS = 10;

/** 0 where there is no /proc. */
function childrenMs(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(13, 15)
      .map(Number);
    return (user! + system!) * TICK_MS;
  } catch {
    return 0;
  }
}

function spentMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000 + childrenMs();
}

/** This module is run anew for each file; a process may see many. */
const worker = globalThis as { spentByFilesMs?: number };

const begunMs = spentMs();
const beforeMs = begunMs - (worker.spentByFilesMs ?? 0);
let loadedMs = begunMs;
let testBegunMs = begunMs;

beforeAll(() => {
  loadedMs = spentMs();
});
beforeEach(() => {
  testBegunMs = spentMs();
});
afterEach(({ task }) => {
  const nowMs = spentMs();
  worker.spentByFilesMs = nowMs;
  task.meta.cpuMs = nowMs - testBegunMs;
  task.file.meta.fileCpu = { beforeMs, loadMs: loadedMs - begunMs, runMs: nowMs - loadedMs };
});
