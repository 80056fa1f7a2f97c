/** What was measured on, and what: goes into every file of results. */

import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { ROOT } from './places.ts';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly system: string;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  /** Load average of the last minute when the run began: a busy machine shows in it. */
  readonly loadBefore: number;
}

/** How a run came about: enough to do it again. */
export interface RunFacts {
  readonly takenAt: string;
  /** What to type to get these figures. */
  readonly command: string;
  readonly version: string;
  /** The commit that was measured, with a plus sign if the tree had changes on top; undefined outside a repository. */
  readonly commit: string | undefined;
  readonly machine: Machine;
}

export function describeRun(command: string): RunFacts {
  const { version } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { version: string };
  return {
    takenAt: new Date().toISOString(),
    command,
    version,
    commit: readCommit(),
    machine: describeMachine(),
  };
}

function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    system: readSystem(),
    kernel: release(),
    node: process.versions.node,
    v8: process.versions.v8,
    loadBefore: loadavg()[0]!,
  };
}

function readSystem(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}

function readCommit(): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const commit = git('rev-parse', '--short=10', 'HEAD');
    const changes = git(
      'status',
      '--porcelain',
      '--untracked-files=no',
      '--',
      'bindings',
      'core-wasm',
      'host',
      'plugins',
    );
    return changes === '' ? commit : `${commit}+`;
  } catch {
    return undefined;
  }
}
