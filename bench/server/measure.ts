/** One cell: what a server's process tree costs while it takes some messages. */

import { setTimeout as wait } from 'node:timers/promises';
import type { Cell } from '../results.ts';
import { sendLoad, type Sent } from './generator.ts';
import { cpuSecondsOf } from './process-tree.ts';
import type { RunningServer } from './running-server.ts';
import type { Amount, Workload } from './workloads.ts';

/** A server, how many sessions it is driven with, and where the generator runs. */
export interface Subject {
  readonly name: string;
  readonly server: RunningServer;
  readonly sessions: number;
  readonly generatorCore: number | undefined;
}

/** How often the processor time is looked at until it stands still. */
const LOOK_MS = 60;
const SETTLED_LOOKS = 2;
const DRAIN_PATIENCE_MS = 30_000;
/** Longest time one run of a warm-up may take, and how many there are at most. */
const WARM_UP_SECONDS = 3;
const MAX_WARM_UPS = 6;
/** A server is warm when a run costs at least this share of the one before it. */
const SETTLED_SHARE = 0.93;

/** Servers that have had a run of full length. */
const warmed = new WeakSet<RunningServer>();

/** Finds out how many messages make a run of the wished length, and warms the server up on the way. */
export async function findAmount(subject: Subject, workload: Workload, amount: Amount): Promise<number> {
  const least = subject.sessions * workload.minPerSession;
  const guess = await measure(subject, workload, least);
  if (warmed.has(subject.server) && !amount.warmsAlways) return messagesFor(guess, amount, least);
  warmed.add(subject.server);
  const warmUp = { ...amount, cpuSeconds: amount.warmUpCpuSeconds, seconds: WARM_UP_SECONDS };
  let warm = guess;
  for (let run = 0; run < MAX_WARM_UPS; run++) {
    const last = warm;
    warm = await measure(subject, workload, messagesFor(last, warmUp, least));
    if (hasSettled(last, warm)) break;
  }
  return messagesFor(warm, amount, least);
}

/**
 * Whether a message no longer becomes cheaper from run to run. A just-in-time compiler is far from done after the few messages that the cost of a cold server would call a full run: the server with more code would pay for
 * it in the first workload, and for that one only.
 */
export function hasSettled(last: Costs, now: Costs): boolean {
  return now.cpuSeconds / now.messages >= (SETTLED_SHARE * last.cpuSeconds) / last.messages;
}

type Costs = Pick<Cell, 'messages' | 'cpuSeconds'>;

/** As many messages as reach the processor time, or the time on the clock, whichever comes first. */
export function messagesFor(
  { messages, cpuSeconds, seconds }: Pick<Cell, 'messages' | 'cpuSeconds' | 'seconds'>,
  amount: Amount,
  least: number,
): number {
  // A cost below a tick is no cost known; take the half of one.
  const cost = Math.max(cpuSeconds, 0.005) / messages;
  const count = Math.min(amount.cpuSeconds / cost, (amount.seconds / seconds) * messages);
  return Math.max(least, Math.round(count));
}

/** Sends the messages and waits until the server has worked them off. */
export async function measure(subject: Subject, workload: Workload, messages: number): Promise<Measured> {
  const { server, sessions, generatorCore } = subject;
  const before = cpuSecondsOf(server.pid);
  const sent = await sendLoad(workload, { port: server.port, sessions, messages, core: generatorCore });
  const after = await settledCpuSeconds(server.pid);
  return { ...sent, cpuSeconds: after - before };
}

type Measured = Sent & { readonly cpuSeconds: number };

/** Queues work on after the reply: what that costs belongs to the message. */
export async function settledCpuSeconds(pid: number): Promise<number> {
  const deadline = performance.now() + DRAIN_PATIENCE_MS;
  let last = cpuSecondsOf(pid);
  for (let still = 0; still < SETTLED_LOOKS && performance.now() < deadline;) {
    await wait(LOOK_MS);
    const now = cpuSecondsOf(pid);
    still = now === last ? still + 1 : 0;
    last = now;
  }
  return last;
}

export function cellOf(workload: Workload, server: string, round: number, measured: Measured): Cell {
  return {
    workload: workload.id,
    server,
    round,
    octets: measured.messages * workload.plan.octets,
    ...measured,
  };
}
