/** Which process works on a message, so that what a killed process held is taken up again, and what a living one holds is not. */

import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** A process, across restarts and containers. */
export interface LeaseHolder {
  readonly pid: number;
  /** When it began, in ticks since boot: pids are used again. */
  readonly began: string;
  readonly boot: string;
  /** Where pids count: the same number is another process in another container. */
  readonly namespace: string;
  /** Differs for every spool that a process has opened. */
  readonly token: string;
}

export interface Lease {
  readonly holder: LeaseHolder;
  readonly expiresMs: number;
}

const textOf = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return '';
  }
};

const beganOf = (pid: number): string =>
  // After the name of the program, which may hold blanks and brackets, it is the twentieth word.
  textOf(() => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '')).split(' ')[19] ?? '';

/** The process that asks. */
export function leaseHolder(): LeaseHolder {
  return {
    pid: process.pid,
    began: beganOf(process.pid),
    boot: textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')),
    namespace: textOf(() => readlinkSync('/proc/self/ns/pid')),
    token: randomUUID(),
  };
}

/**
 * True if the lease has no living holder. A process that can be looked at is believed to be dead only if it is,
 * whatever the time: clocks jump, and a message must not be sent by two. One in another container has until the lease
 * expires. `isActive`: whether this process itself works under it.
 */
export function isOver(
  { holder, expiresMs }: Lease,
  own: LeaseHolder,
  nowMs: number,
  isActive: () => boolean,
): boolean {
  if (holder.token === own.token) return !isActive();
  const canLook = holder.boot === own.boot && holder.namespace === own.namespace && own.namespace !== '';
  return canLook ? !isAlive(holder) : nowMs >= expiresMs;
}

function isAlive({ pid, began }: LeaseHolder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return began === '' || beganOf(pid) === began;
}
