/** Starts the attacking process and speaks with it. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Attack, AttackReport } from './attack.ts';

const PROGRAM = fileURLToPath(new URL('attacker-process.js', import.meta.url));

export interface Attackers {
  /** Ends the process; resolves with what it did. */
  stop(): Promise<AttackReport>;
}

/** Resolves when all clients are connected and about to send. */
export async function startAttackers(attack: Attack): Promise<Attackers> {
  const child = fork(PROGRAM, [JSON.stringify(attack)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const reports = new Map<AttackReport['state'], AttackReport>();
  let wake: () => void = () => undefined;
  child.on('message', (report) => {
    reports.set((report as AttackReport).state, report as AttackReport);
    wake();
  });
  child.once('exit', () => wake());
  const reached = async (state: AttackReport['state'], timeoutMs: number): Promise<void> => {
    const deadline = performance.now() + timeoutMs;
    while (!reports.has(state) && child.exitCode === null && performance.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - performance.now());
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  await reached('begun', 30_000);
  if (!reports.has('begun')) {
    child.kill();
    throw new Error(`the ${attack.kind} clients could not connect`);
  }
  return {
    async stop() {
      if (child.connected) child.send('stop');
      await reached('over', 5_000);
      child.kill();
      return reports.get('over') ?? { state: 'over', octets: 0, closed: 0 };
    },
  };
}
