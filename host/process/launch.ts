/** Starts this program once more, with the same command line, and waits until the daemon in there is ready. */

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { ExitCode } from './exit-code.ts';
import { readWorkerMessage } from './ipc-messages.ts';
import { environmentFor, type Role } from './parent.ts';

/** A start that takes longer has come to nothing: its first worker alone may take a minute. */
const READY_WITHIN_MS = 120_000;

export interface LaunchOptions {
  /** Has to have an entry `ipc`. */
  readonly stdio: StdioOptions;
  /** Besides that of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** In a session of its own, without a terminal. */
  readonly isDetached?: boolean;
}

export function launch(role: Role, { stdio, environment, isDetached = false }: LaunchOptions): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio,
    detached: isDetached,
    env: { ...process.env, ...environment, ...environmentFor(role) },
  });
}

/** How a start ended that came to nothing. */
export interface FailedStart {
  readonly exitCode: number;
  /** What it said itself; undefined: nothing that is known here. */
  readonly text: string | undefined;
}

/** Undefined: it is ready. */
export function awaitReady(
  child: ChildProcess,
  withinMs = READY_WITHIN_MS,
): Promise<FailedStart | undefined> {
  return new Promise((resolve) => {
    let told: FailedStart | undefined;
    const timer = setTimeout(() => {
      told = { exitCode: ExitCode.SOFTWARE, text: `it was not ready within ${withinMs / 1_000} s` };
      child.kill('SIGKILL');
    }, withinMs);
    const settle = (outcome: FailedStart | undefined): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    child.on('message', (raw: unknown) => {
      const message = readWorkerMessage(raw);
      if (message?.qpsmtpd === 'ready') settle(undefined);
      else if (message?.qpsmtpd === 'failed') told = message;
    });
    child.once('error', (error) => settle({ exitCode: ExitCode.OS_ERROR, text: error.message }));
    child.once('exit', (code, signal) =>
      settle(
        told ?? {
          exitCode: code ?? ExitCode.SOFTWARE,
          text: signal === null ? undefined : `it was ended by ${signal}`,
        },
      ),
    );
  });
}
