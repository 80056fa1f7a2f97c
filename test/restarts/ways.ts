/** The ways to restart a daemon, each under the hammer. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PROGRAM, serveIn, Workplace } from '../integration/daemon.ts';
import { AS_OURSELVES, RunningProgram } from '../process/running-program.ts';
import { Hammer, missingFrom, type HammerResult } from './hammer.ts';

export interface Trial {
  readonly result: HammerResult;
  /** Acknowledged messages that are not there. */
  readonly missing: readonly string[];
}

export interface TrialOptions {
  readonly workers: number;
  readonly rounds: number;
  /** Sessions before, between and after the restarts. */
  readonly sessions: number;
  readonly graceSeconds: number;
}

export type Way = (options: TrialOptions) => Promise<Trial>;

/** What a running daemon is known by. */
interface Running {
  readonly program: RunningProgram;
  readonly workplace: Workplace;
  readonly pidFile: string;
}

/** Runs a daemon and the hammer; `restart` restarts it once. */
async function underHammer(
  { workers, rounds, sessions, graceSeconds }: TrialOptions,
  restart: (running: Running) => Promise<void>,
): Promise<Trial> {
  const workplace = new Workplace({ loglevel: '5' });
  const pidFile = join(workplace.folder, 'pid');
  const program = serveIn(workplace, workers, ['--grace', `${graceSeconds}`, '--pid-file', pidFile]);
  try {
    const hammer = new Hammer(await program.port(), graceSeconds * 1_000);
    for (let round = 0; round < rounds; round++) {
      await hammer.more(sessions);
      const done = hammer.noteRestart();
      await restart({ program, workplace, pidFile });
      done();
    }
    await hammer.more(sessions);
    const result = await hammer.stop();
    return { result, missing: missingFrom(workplace.delivered(), result) };
  } finally {
    process.kill(pidIn(pidFile), 'SIGTERM');
    await program.ended;
    workplace.remove();
  }
}

const pidIn = (pidFile: string): number => Number(readFileSync(pidFile, 'latin1'));

/** HUP: workers are replaced one by one; a single process reads its configuration again. */
const hup: Way = (options) =>
  underHammer(options, async ({ program }) => {
    const seen = program.err.all.length;
    program.kill('SIGHUP');
    await program.err.find(/configuration read again|reload: done/, seen);
  });

/** USR2: the daemon starts its successor. */
const usr2: Way = (options) =>
  underHammer(options, async ({ pidFile }) => {
    const pid = pidIn(pidFile);
    process.kill(pid, 'SIGUSR2');
    while (pidIn(pidFile) === pid) await wait(20);
  });

/** TERM: the daemon stops, and another one is started. Only sessions that were connected before can come to their end. */
const term: Way = async (options) => {
  const workplace = new Workplace();
  const results: HammerResult[] = [];
  try {
    for (let round = 0; round < options.rounds; round++) {
      const program = serveIn(workplace, options.workers, ['--grace', `${options.graceSeconds}`]);
      const hammer = new Hammer(await program.port(), options.graceSeconds * 1_000);
      await hammer.more(options.sessions);
      await hammer.holdBack();
      hammer.noteRestart();
      program.kill('SIGTERM');
      const { code } = await program.ended;
      if (code !== 0) throw new Error(`it ended with ${code}:\n${program.err.all.join('\n')}`);
      results.push(await hammer.stop());
    }
    const result = {
      sessions: results.reduce((sum, { sessions }) => sum + sessions, 0),
      lost: results.flatMap(({ lost }) => lost),
      acknowledged: results.flatMap(({ acknowledged }) => acknowledged),
      farewells: results.reduce((sum, { farewells }) => sum + farewells, 0),
    };
    return { result, missing: missingFrom(workplace.delivered(), result) };
  } finally {
    workplace.remove();
  }
};

/** In the source tree, from there or from `build`. */
const HOLDER = ['./holder.mjs', '../../../test/restarts/holder.mjs']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path))!;

/** Another program holds the socket, and starts the daemon anew when it has ended; clients wait in the kernel meanwhile. */
const holder: Way = async ({ workers, rounds, sessions, graceSeconds }) => {
  const workplace = new Workplace();
  const pidFile = join(workplace.folder, 'pid');
  const options = ['--listen', 'fd:3', '--workers', `${workers}`, '--grace', `${graceSeconds}`];
  const program = new RunningProgram(HOLDER, [
    ...[PROGRAM, 'serve', '--config', workplace.config, '--pid-file', pidFile, ...AS_OURSELVES],
    ...options,
  ]);
  try {
    const [, port] = await program.out.find(/^holding tcp:\S+:(\d+)/);
    await program.out.find(/^listening on /);
    const hammer = new Hammer(Number(port), graceSeconds * 1_000);
    for (let round = 0; round < rounds; round++) {
      await hammer.more(sessions);
      const seen = program.out.all.length;
      const done = hammer.noteRestart();
      process.kill(pidIn(pidFile), 'SIGTERM');
      await program.out.find(/^listening on /, seen);
      done();
    }
    await hammer.more(sessions);
    const result = await hammer.stop();
    return { result, missing: missingFrom(workplace.delivered(), result) };
  } finally {
    await program.dispose();
    workplace.remove();
  }
};

export const WAYS: ReadonlyMap<string, Way> = new Map([
  ['HUP', hup],
  ['USR2', usr2],
  ['holder', holder],
  ['TERM', term],
]);

export function printTrial(name: string, workers: number, { result, missing }: Trial): string {
  const { sessions, lost, acknowledged, farewells } = result;
  const losses = lost.length === 0 ? '' : `\n  ${lost.slice(0, 20).join('\n  ')}`;
  return `${name}, ${workers} serving: ${sessions} sessions, ${lost.length} lost; ${acknowledged.length} messages acknowledged, ${missing.length} missing; 421 after the grace period: ${farewells}${losses}`;
}
