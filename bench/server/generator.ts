/** Runs a load generator as a process of its own and reads what it has to say. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadPlan } from '../load/plan.ts';
import type { LoadOutcome } from '../load/run-load.ts';
import { COMPILED } from '../places.ts';
import type { Workload } from './workloads.ts';

/** Where Debian's package postfix puts it. */
export const SMTP_SOURCE = ['/usr/sbin/smtp-source', '/usr/bin/smtp-source'].find((path) => existsSync(path));

export interface Sent {
  readonly messages: number;
  readonly seconds: number;
  readonly p50Ms?: number;
  readonly p95Ms?: number;
}

/** A server did not take what it was sent. */
export class LoadError extends Error {}

const PATIENCE_MS = 300_000;

/** Sends `messages` messages; throws a `LoadError` unless all of them were accepted. */
export async function sendLoad(
  workload: Workload,
  {
    port,
    sessions,
    messages,
    core,
  }: { port: number; sessions: number; messages: number; core: number | undefined },
): Promise<Sent> {
  const plan: LoadPlan = { ...workload.plan, port, messages, sessions: Math.min(sessions, messages) };
  return workload.generator === 'load' ? sendWithLoad(plan, core) : sendWithSmtpSource(plan, core);
}

export async function sendWithLoad(plan: LoadPlan, core: number | undefined): Promise<Sent> {
  const { output } = await run(
    process.execPath,
    [join(COMPILED, 'load', 'main.js'), JSON.stringify(plan)],
    core,
  );
  const outcome = JSON.parse(output) as LoadOutcome;
  if (outcome.accepted < plan.messages) {
    const why = outcome.problem ?? `replies ${JSON.stringify(outcome.replies)}`;
    throw new LoadError(`${outcome.accepted} of ${plan.messages} messages were accepted: ${why}`);
  }
  const refusals = Object.entries(outcome.replies).reduce(
    (sum, [code, count]) => sum + (code.startsWith('5') ? count : 0),
    0,
  );
  if (refusals < plan.messages * (plan.refusedRecipients ?? 0)) {
    throw new LoadError('it accepts the recipients that are to be refused');
  }
  return { messages: outcome.accepted, seconds: outcome.seconds, p50Ms: outcome.p50Ms, p95Ms: outcome.p95Ms };
}

async function sendWithSmtpSource(plan: LoadPlan, core: number | undefined): Promise<Sent> {
  if (SMTP_SOURCE === undefined) throw new LoadError('smtp-source is missing: apt-get install postfix');
  const args = [
    ...(plan.perConnection > 1 ? ['-d'] : []),
    ...['-s', String(plan.sessions), '-m', String(plan.messages), '-l', String(plan.octets)],
    ...['-f', 'john.doe@example.com', '-t', 'jane.roe@example.test', '-M', 'client.example.com', '-C', '100'],
    `127.0.0.1:${plan.port}`,
  ];
  const { seconds } = await run(SMTP_SOURCE, args, core);
  return { messages: plan.messages, seconds };
}

async function run(
  program: string,
  args: readonly string[],
  core: number | undefined,
): Promise<{ readonly output: string; readonly seconds: number }> {
  const [first, ...rest] =
    core === undefined ? [program, ...args] : ['taskset', '-c', String(core), program, ...args];
  const begunAt = performance.now();
  const child = spawn(first!, rest, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MS });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = (performance.now() - begunAt) / 1_000;
  if (code !== 0)
    throw new LoadError(complaint.trim().split('\n').at(-1) || `the load generator ended with ${code}`);
  return { output, seconds };
}
