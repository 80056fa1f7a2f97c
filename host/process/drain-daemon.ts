/** The end of a daemon: drains it and says with which exit code the process leaves. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Daemon } from './daemon.ts';
import { ExitCode, explain } from './exit-code.ts';

/** A daemon closes what is left at the end of the grace period; one that is not done so long after that is given up. */
const GIVE_UP_AFTER_GRACE_MS = 3_000;

/** `code` when the daemon has drained; `SOFTWARE` if draining failed or did not end. */
export async function drainDaemon(daemon: Daemon, graceMs: number, code: number): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => reject(new Error('it did not end with the grace period'));
    timer = setTimeout(giveUp, graceMs + GIVE_UP_AFTER_GRACE_MS);
  });
  try {
    await Promise.race([daemon.drain(graceMs), overdue]);
    return code;
  } catch (error) {
    daemon.logger.log(LogLevel.CRIT, `draining failed: ${explain(error)}`);
    return ExitCode.SOFTWARE;
  } finally {
    clearTimeout(timer);
  }
}
