/** Exit codes, in the numbers of sysexits where there is one. */

import { QpsmtpdError, type ErrorCode } from '../errors/error-classes.ts';
import { troubleAt } from '../errors/system-trouble.ts';

export const ExitCode = {
  OK: 0,
  /** The exit code of the Perl daemon when its pid file names a running process. */
  ALREADY_RUNNING: 25,
  USAGE: 64,
  /** Left by bin/begin.cjs, in a Node too old to read this file. */
  UNAVAILABLE: 69,
  SOFTWARE: 70,
  OS_ERROR: 71,
  TRY_AGAIN: 75,
  NO_PERMISSION: 77,
  CONFIG: 78,
} as const;

const BY_ERROR: Partial<Record<ErrorCode, number>> = {
  Q_CONFIG: ExitCode.CONFIG,
  Q_PLUGIN_NOT_FOUND: ExitCode.CONFIG,
  Q_PLUGIN_LOAD: ExitCode.CONFIG,
  Q_PLUGIN_OPTION: ExitCode.CONFIG,
  Q_PACKAGE: ExitCode.CONFIG,
  Q_USAGE: ExitCode.USAGE,
  Q_ALREADY_RUNNING: ExitCode.ALREADY_RUNNING,
  Q_PRIVILEGES: ExitCode.NO_PERMISSION,
  Q_LISTEN: ExitCode.OS_ERROR,
};

/** The exit code for an error that ended the program: an address in use may be free on the next try, others not. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof WorkerFailure) return error.exitCode;
  if (error instanceof AggregateError) return Math.max(ExitCode.USAGE, ...error.errors.map(exitCodeOf));
  if (isRefusal(error))
    return /^(EACCES|EPERM)$/.test(error.code) ? ExitCode.NO_PERMISSION : ExitCode.OS_ERROR;
  if (!(error instanceof QpsmtpdError)) return ExitCode.SOFTWARE;
  if (error.code === 'Q_LISTEN' && codeOf(error.cause) === 'EADDRINUSE') return ExitCode.TRY_AGAIN;
  return BY_ERROR[error.code] ?? ExitCode.SOFTWARE;
}

/** What to print for an error: the message alone where it explains itself, the stack where the program is at fault. */
export function explain(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(explain).join('\n');
  if (error instanceof QpsmtpdError || error instanceof WorkerFailure) return error.message;
  if (isRefusal(error)) {
    const { problem, remedy } = troubleAt(error.path, error);
    return `${error.path}: ${problem} (${remedy})`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A system call about a file that failed: where its path leads is the operator's matter, and no fault of the program. */
function isRefusal(error: unknown): error is Error & { readonly code: string; readonly path: string } {
  if (!(error instanceof Error)) return false;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  return code !== undefined && syscall !== undefined && path?.startsWith('/') === true;
}

/** The code of a system error, such as `EADDRINUSE`. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** A worker that could not start, with its own message and exit code. */
export class WorkerFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.name = 'WorkerFailure';
    this.exitCode = exitCode;
  }
}
