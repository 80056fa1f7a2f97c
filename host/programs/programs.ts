/** Runs programs for plugins: without a shell, with a time limit, with bounded output. */

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { ProgramResult, Programs } from '../../bindings/plugin/programs.ts';
import { runProgram } from './program-run.ts';

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_OCTETS = 1_048_576;

export const programs: Programs = {
  isExecutable(path) {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  },

  run(path, words, { timeoutMs = DEFAULT_TIMEOUT_MS } = {}) {
    return new Promise<ProgramResult>((resolve, reject) => {
      const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_OCTETS } as const;
      const child = execFile(path, [...words], limits, (error, output) => {
        if (error === null) resolve({ exitCode: 0, output });
        else if (typeof error.code === 'number') resolve({ exitCode: error.code, output });
        else reject(error);
      });
      child.stdin?.end();
    });
  },

  feed: (order, signal) => runProgram(order, signal),
};
