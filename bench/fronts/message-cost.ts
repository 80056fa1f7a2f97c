/** What a message costs that comes through httpd, beside one that comes to the same daemon directly. */

import type { FrontCell } from '../results.ts';
import { sendLoad } from '../server/generator.ts';
import { findAmount, settledCpuSeconds, type Subject } from '../server/measure.ts';
import { cpuSecondsOf } from '../server/process-tree.ts';
import type { RunningServer } from '../server/running-server.ts';
import { WORKLOADS, type Amount, type Workload } from '../server/workloads.ts';
import { rotate } from '../statistics.ts';

const [W1] = WORKLOADS;

/** A new connection for each message: what is kept pays for httpd once and not again. */
export const FRONT_WORKLOADS: readonly Workload[] = [
  W1!,
  {
    ...W1!,
    id: 'W1p',
    title: '1 KiB, a connection each, pipelined',
    about: 'As W1, with MAIL, RCPT and DATA in one write (RFC 2920).',
    generator: 'load',
    plan: { octets: 1_024, perConnection: 1, isPipelined: true },
  },
];

/** A way to the daemon: its own port, or that of a server in front whose processes count too. */
export interface Way {
  readonly name: string;
  readonly port: number;
  readonly front?: RunningServer;
}

export interface CostOptions {
  readonly rounds: number;
  readonly amount: Amount;
  readonly generatorCore: number | undefined;
  readonly note: (text: string) => void;
}

/** Both ways in every round, each round begun by the other one. */
export async function measureCosts(
  daemon: RunningServer,
  ways: readonly Way[],
  workload: Workload,
  { rounds, amount, generatorCore, note }: CostOptions,
): Promise<FrontCell[]> {
  const cells: FrontCell[] = [];
  const { sessions } = workload;
  let messages = 0;
  for (const { name, port } of ways) {
    const subject: Subject = { name, server: { ...daemon, port }, sessions, generatorCore };
    messages = Math.max(messages, await findAmount(subject, workload, amount));
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, port, front } of rotate(ways, round)) {
      const processes = [daemon, ...(front === undefined ? [] : [front])];
      const before = processes.map(({ pid }) => cpuSecondsOf(pid));
      const sent = await sendLoad(workload, { port, sessions, messages, core: generatorCore });
      const costs: number[] = [];
      for (const [index, { pid }] of processes.entries())
        costs.push((await settledCpuSeconds(pid)) - before[index]!);
      const [daemonSeconds = 0, frontSeconds = 0] = costs;
      cells.push({
        workload: workload.id,
        server: name,
        round,
        octets: sent.messages * workload.plan.octets,
        ...sent,
        cpuSeconds: daemonSeconds + frontSeconds,
        frontSeconds,
      });
      note(
        `${workload.id}  round ${round + 1}  ${name}: ${showCost(daemonSeconds, sent.messages)} us the daemon, ` +
          `${showCost(frontSeconds, sent.messages)} us httpd`,
      );
    }
  }
  return cells;
}

const showCost = (seconds: number, messages: number): string => ((seconds / messages) * 1e6).toFixed(0);
