/**
 * `npm run bench:slow [-- --quick]`: what clients that send little, or without end, cost everybody else. Two servers run
 * side by side, one with 500 slow clients; messages go to both by turns. Then 100 clients at a time send lines and
 * messages that do not end, and the memory of the server is looked at. Fails if a bound is exceeded.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeRun } from '../machine.ts';
import { RESULTS } from '../places.ts';
import type { AttackKind } from './attack.ts';
import { startAttackers } from './attackers.ts';
import { compareLatency, quantile } from './latency.ts';
import { startServer } from './server-process.ts';

const SLOW_CLIENTS = 500;
const ROUNDS = 8;
const ENDLESS_CLIENTS = 100;
/** Bounds: how much slower a message may get, and how much memory the server may have. */
const MAX_RATIO = 2;
const MAX_MIB = 300;
const MIB = 1_048_576;
const DATABYTES = '1000000';

interface Scenario {
  readonly name: string;
  readonly kind: AttackKind;
  readonly settings: Readonly<Record<string, string>>;
}

const ENDLESS: readonly Scenario[] = [
  { name: 'endless command lines', kind: 'endless-commands', settings: {} },
  { name: 'endless messages, databytes 1 MB', kind: 'endless-messages', settings: { databytes: DATABYTES } },
  {
    name: 'endless lines in DATA, databytes 1 MB',
    kind: 'endless-lines',
    settings: { databytes: DATABYTES },
  },
  { name: 'endless messages, spooled', kind: 'endless-messages', settings: { size_threshold: '100000' } },
  { name: 'endless lines in DATA, spooled', kind: 'endless-lines', settings: { size_threshold: '100000' } },
];

interface Line {
  readonly name: string;
  readonly value: string;
  readonly isWithin: boolean;
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

/** Of the rounds' ratios of p95 the median counts. */
async function measureLatency(roundMs: number) {
  const [idle, loaded] = [await startServer(), await startServer()];
  const attackers = await startAttackers({
    kind: 'slow',
    port: loaded.port,
    clients: SLOW_CLIENTS,
    maxOctets: 0,
  });
  try {
    const rounds = await compareLatency(idle.port, loaded.port, ROUNDS, roundMs);
    const ratios = rounds.map((round) => quantile(round.loaded, 0.95) / quantile(round.idle, 0.95));
    const peakMiB = loaded.peakMiB();
    const { octets, closed } = await attackers.stop();
    return {
      messages: rounds.reduce((sum, round) => sum + round.loaded.length, 0),
      idleMs: quantiles(rounds.flatMap((round) => round.idle)),
      loadedMs: quantiles(rounds.flatMap((round) => round.loaded)),
      p95Ratio: round(quantile(ratios, 0.5)),
      p95Ratios: ratios.map(round),
      slowOctets: octets,
      closed,
      peakMiB,
    };
  } finally {
    await Promise.all([idle.stop(), loaded.stop()]);
  }
}

const quantiles = (samples: readonly number[]) => ({
  p50: round(quantile(samples, 0.5)),
  p95: round(quantile(samples, 0.95)),
  p99: round(quantile(samples, 0.99)),
});

/** The peak is read while the clients still send, or wait for the server to take what they sent. */
async function measureEndless({ name, kind, settings }: Scenario, seconds: number, maxOctets: number) {
  const server = await startServer(settings);
  const attackers = await startAttackers({ kind, port: server.port, clients: ENDLESS_CLIENTS, maxOctets });
  try {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    const peakMiB = server.peakMiB();
    const { octets, closed } = await attackers.stop();
    return { name, sentMiB: Math.round(octets / MIB), seconds, closed, peakMiB };
  } finally {
    await server.stop();
  }
}

function print(lines: readonly Line[]): void {
  const width = Math.max(...lines.map(({ name }) => name.length));
  for (const { name, value, isWithin } of lines) {
    process.stdout.write(`${name.padEnd(width)}  ${value}${isWithin ? '' : '  OUT OF BOUNDS'}\n`);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
  const bounds = values.quick
    ? { roundMs: 1_500, seconds: 3, octets: 1_000 * MIB }
    : { roundMs: 5_000, seconds: 10, octets: 3_000 * MIB };
  const run = describeRun(`npm run bench:slow${values.quick ? ' -- --quick' : ''}`);
  const latency = await measureLatency(bounds.roundMs);
  const endless = [];
  for (const scenario of ENDLESS) endless.push(await measureEndless(scenario, bounds.seconds, bounds.octets));

  const { idleMs, loadedMs, p95Ratio } = latency;
  const within = (peakMiB: number | undefined): boolean => peakMiB === undefined || peakMiB < MAX_MIB;
  const mib = (peakMiB: number | undefined): string =>
    peakMiB === undefined ? 'unknown' : `${Math.round(peakMiB)} MiB`;
  const lines: Line[] = [
    { name: 'message, idle server', value: `p50 ${idleMs.p50} ms, p95 ${idleMs.p95} ms`, isWithin: true },
    {
      name: `message, ${SLOW_CLIENTS} slow clients`,
      value: `p50 ${loadedMs.p50} ms, p95 ${loadedMs.p95} ms, median p95 ratio ${p95Ratio}; peak ${mib(latency.peakMiB)}`,
      isWithin: p95Ratio <= MAX_RATIO && latency.closed === 0 && within(latency.peakMiB),
    },
    ...endless.map(({ name, sentMiB, seconds, peakMiB }) => ({
      name: `${ENDLESS_CLIENTS} ${name}`,
      value: `${sentMiB} MiB in ${seconds} s; peak ${mib(peakMiB)}`,
      isWithin: within(peakMiB),
    })),
  ];
  print(lines);
  const isWithin = lines.every((line) => line.isWithin);
  const file = join(RESULTS, `slow-clients${values.quick ? '-quick' : ''}.json`);
  mkdirSync(RESULTS, { recursive: true });
  const results = { kind: 'slow-clients', run, isWithin, latency, endless };
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  process.stdout.write(`bench/results/${basename(file)} written\n`);
  return isWithin ? 0 : 1;
}

process.exitCode = await main();
