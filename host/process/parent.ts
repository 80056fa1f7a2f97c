/**
 * The process of ours that has started this daemon and waits until it is ready: the one whose place it takes, or the one that puts
 * it into the background.
 */

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { tell } from './ipc-messages.ts';

export type Role = 'successor' | 'background';

/** What a process that is started in a role has in its environment. */
export function environmentFor(role: Role): Readonly<Record<string, string>> {
  return { QPSMTPD_STARTED_BY: `${role} ${process.pid}` };
}

class Parent {
  #role: Role | undefined = undefined;

  /** Reads what the environment says, and takes it out. A parent that is gone, or another process, waits for nothing. */
  receive(environment: NodeJS.ProcessEnv, ppid = process.ppid): void {
    const [role, pid] = (environment['QPSMTPD_STARTED_BY'] ?? '').split(' ');
    delete environment['QPSMTPD_STARTED_BY'];
    if (Number(pid) === ppid && (role === 'successor' || role === 'background')) this.#role = role;
  }

  /** What the daemon was started as; undefined: by itself. */
  get role(): Role | undefined {
    return this.#role;
  }

  async ready(addresses: readonly string[]): Promise<void> {
    if (this.#role === undefined) return;
    if (this.#role === 'background') leaveTerminal();
    await tell({ qpsmtpd: 'ready', addresses, silenceMs: 0 });
    process.disconnect?.();
  }

  async failed(exitCode: number, text: string): Promise<void> {
    if (this.#role !== undefined) await tell({ qpsmtpd: 'failed', exitCode, text });
  }
}

/** That of this process. */
export const parent = new Parent();

/**
 * Lets go of the terminal, or whatever the output goes to. The null device is opened in place of it, at its number: what is
 * closed would be the next file that is opened, and get what is meant for the output.
 */
export function leaveTerminal(): void {
  for (const fd of [1, 2]) {
    closeSync(fd);
    openSync(devNull, 'w');
  }
}
