/**
 * `npm run bench:fair [-- --quick]`: how long the whole message of an ordinary client takes while others send input that
 * costs more than it weighs. Each round measures the server at rest and under the flood right after, so that whatever else
 * the machine does hits both. Fails if the bound is exceeded.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeRun } from '../machine.ts';
import { RESULTS } from '../places.ts';
import { OrdinaryClient, quantile } from '../slow-clients/latency.ts';
import { startServer } from '../slow-clients/server-process.ts';
import { FLOOD_KINDS, type Flood } from './flood.ts';

const PROGRAM = fileURLToPath(new URL('flood-process.js', import.meta.url));
/** The bound: how much slower a message may get beside `FEW` clients that flood, of the median. */
const MAX_RATIO = 10;
const FEW = 10;
const MANY = 500;
const BDAT_OCTETS_PER_SECOND = 1_000_000;
/** How long a flood runs before it counts: the first of it meets an empty server. */
const LEAD_MS = 1_000;
/** Messages of an idle server before the first round, for the just-in-time compiler. */
const WARM_UP = 300;
const PAUSE_MS = 5;
/** Nobody waits longer for one message. */
const MAX_MS = 20_000;
/** How long a server may take to come to rest after a flood. */
const REST_MS = 30_000;

type Scenario = Omit<Flood, 'port'> & { readonly isBound: boolean };

const SCENARIOS: readonly Scenario[] = [
  ...FLOOD_KINDS.map((kind) => ({
    kind,
    clients: FEW,
    octetsPerSecond: kind === 'bdat' ? BDAT_OCTETS_PER_SECOND : undefined,
    isBound: true,
  })),
  { kind: 'commands', clients: MANY, octetsPerSecond: undefined, isBound: false },
];

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Connects, delivers one message and leaves; gives up, and counts what it took, where it takes for ever. */
async function deliverOne(port: number): Promise<number> {
  const began = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, MAX_MS);
  });
  const delivered = deliverWhole(port);
  delivered.catch(() => undefined);
  await Promise.race([tooLate, delivered]);
  clearTimeout(timer);
  return performance.now() - began;
}

async function deliverWhole(port: number): Promise<void> {
  const client = await OrdinaryClient.open(port);
  await client.deliver();
  client.close();
}

/** At least one message, however long it takes. */
async function deliverFor(port: number, roundMs: number): Promise<number[]> {
  const taken: number[] = [];
  const until = performance.now() + roundMs;
  do {
    taken.push(await deliverOne(port));
    await wait(PAUSE_MS);
  } while (performance.now() < until);
  return taken;
}

async function deliverUnder(flood: Flood, roundMs: number): Promise<number[]> {
  const child = fork(PROGRAM, [JSON.stringify(flood)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  try {
    await wait(LEAD_MS);
    return await deliverFor(flood.port, roundMs);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** What is left of the flood has to be worked through before the server is measured at rest again. */
async function comeToRest(port: number, defaultMs: number): Promise<void> {
  const until = performance.now() + REST_MS;
  let isSlow = true;
  while (isSlow && performance.now() < until) {
    await wait(LEAD_MS / 4);
    isSlow = (await deliverOne(port)) > 3 * defaultMs;
  }
}

async function measure({ isBound, ...scenario }: Scenario, rounds: number, roundMs: number) {
  const server = await startServer({ max_refused_recipients: '0' });
  try {
    for (let message = 0; message < WARM_UP; message++) await deliverOne(server.port);
    const idle: number[][] = [];
    const loaded: number[][] = [];
    for (let round = 0; round < rounds; round++) {
      idle.push(await deliverFor(server.port, roundMs));
      loaded.push(await deliverUnder({ ...scenario, port: server.port }, roundMs));
      await comeToRest(server.port, quantile(idle[0]!, 0.95));
    }
    const ratios = idle.map((atRest, round) => quantile(loaded[round]!, 0.5) / quantile(atRest, 0.5));
    const ratio = quantile(ratios, 0.5);
    return {
      ...scenario,
      idleMs: summarize(idle.flat()),
      loadedMs: summarize(loaded.flat()),
      ratio: rounded(ratio),
      ratios: ratios.map(rounded),
      isWithin: !isBound || ratio < MAX_RATIO,
      peakMiB: server.peakMiB(),
    };
  } finally {
    await server.stop();
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

const summarize = (samples: readonly number[]) => ({
  messages: samples.length,
  p50: rounded(quantile(samples, 0.5)),
  p95: rounded(quantile(samples, 0.95)),
  most: rounded(Math.max(...samples)),
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
  });
  const [rounds, roundMs] = values.quick ? [3, 1_500] : [5, 4_000];
  const run = describeRun(`npm run bench:fair${values.quick ? ' -- --quick' : ''}`);
  const measured = [];
  for (const scenario of SCENARIOS) {
    if (values.only !== undefined && values.only !== scenario.kind) continue;
    const result = await measure(scenario, rounds, roundMs);
    measured.push(result);
    const { kind, clients, idleMs, loadedMs, ratio, isWithin } = result;
    process.stdout.write(
      `${`${clients} ${kind}`.padEnd(24)}idle p50 ${idleMs.p50} p95 ${idleMs.p95} ms; ` +
        `flooded p50 ${loadedMs.p50} p95 ${loadedMs.p95} max ${loadedMs.most} ms; ` +
        `median ratio ${ratio}${isWithin ? '' : '  OUT OF BOUNDS'}\n`,
    );
  }
  const isWithin = measured.every((result) => result.isWithin);
  const file = join(RESULTS, `fairness${values.quick ? '-quick' : ''}.json`);
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(file, `${JSON.stringify({ kind: 'fairness', run, isWithin, measured }, undefined, 1)}\n`);
  process.stdout.write(`bench/results/${basename(file)} written\n`);
  return isWithin ? 0 : 1;
}

process.exitCode = await main();
