/** Callbacks of the program as steps of a session. */

import { STOP, type Progress } from '../session/steps.ts';
import type { SMTPConnection } from './connection.ts';

/**
 * Runs `ask`, which is given a callback, and settles with what the program says: the first time it says it. Nothing is waited for
 * if it calls back at once. A promise that the program's function returns and that is rejected stands for an error; what
 * it throws is its caller's to answer.
 */
export function answered<A extends readonly [error?: Error | null, ...rest: unknown[]]>(
  connection: SMTPConnection,
  ask: (callback: (...args: A) => void) => unknown,
  settle: (...args: A) => Progress,
): Progress {
  let outcome: Progress | undefined;
  let resume: ((outcome: Progress) => void) | undefined;
  const callback = (...args: A): void => {
    if (outcome !== undefined) return;
    outcome = STOP;
    outcome = guarded(connection, '', () => settle(...args));
    resume?.(outcome);
  };
  const returned = ask(callback);
  if (returned instanceof Promise)
    returned.catch((error: unknown) => callback(...([asError(error)] as unknown as A)));
  if (outcome !== undefined) return outcome;
  return connection.waiting((resolve) => {
    resume = resolve;
  });
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** A fault of the program, or ours, must not end more than the command. */
export function guarded(connection: SMTPConnection, command: string, work: () => Progress): Progress {
  try {
    return work();
  } catch (thrown) {
    const err = asError(thrown);
    const entry = { err, tnx: 'command', cid: connection.id, command };
    connection.server.logger.error(
      entry,
      '%s Failed to process %s command: %s',
      connection.id,
      command,
      err.message,
    );
    return connection.send(451, 'Error: internal server error');
  }
}
