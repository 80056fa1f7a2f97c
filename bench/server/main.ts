/** `npm run bench:server`: whole servers, in one interleaved run. */

import { describeRun } from '../machine.ts';
import { BASE, PEERS } from '../peers/all-peers.ts';
import { resultsFile, writeResults, type Gap, type IdleCell, type ServerResults } from '../results.ts';
import { GROWTHS } from './charts.ts';
import { measureGrowth } from './growth.ts';
import { measureIdle } from './idle-memory.ts';
import { parseServerOptions, SERVER_USAGE, type ServerOptions } from './options.ts';
import { runWorkload } from './rounds.ts';
import { killServers } from './running-server.ts';
import { Stage } from './stage.ts';
import { showResults } from './shown-results.ts';
import { idleCells } from './summary.ts';
import { FULL, QUICK, WORKLOADS, type Workload } from './workloads.ts';

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** Points of a chart stand beside each other: they need fewer rounds than servers that are compared. */
const CHART_ROUNDS = 3;

async function main(args: readonly string[]): Promise<void> {
  const options = parseServerOptions(args);
  if (options.help) return print(SERVER_USAGE);
  const run = describeRun(['npm run bench:server', ...(args.length > 0 ? ['--', ...args] : [])].join(' '));
  const stage = new Stage(options);
  try {
    await prepareAll(stage, options);
    const results: ServerResults = {
      kind: 'server',
      run,
      rounds: options.rounds,
      isPinned: stage.serverCore !== undefined,
      ...(await measureAll(stage, options)),
      participants: stage.participants,
    };
    print(showResults(results));
    const file = options.json ?? resultsFile('server', options.isQuick);
    writeResults(file, results);
    print(`\nwritten to ${file}`);
  } finally {
    await stage.close();
  }
}

/** The base always takes part: without it there are no ratios. */
async function prepareAll(stage: Stage, { servers }: ServerOptions): Promise<void> {
  for (const peer of PEERS.filter(({ name }) => name === BASE || servers.includes(name))) {
    note(`preparing ${peer.label}`);
    await stage.prepare(peer);
  }
  for (const { label, missing } of stage.participants)
    if (missing !== undefined) note(`missing: ${label}: ${missing}`);
}

type Measured = Pick<ServerResults, 'workloads' | 'cells' | 'gaps' | 'idle' | 'charts' | 'points'>;

async function measureAll(stage: Stage, options: ServerOptions): Promise<Measured> {
  const amount = options.isQuick ? QUICK : FULL;
  const chosen = WORKLOADS.filter(({ id }) => options.workloads.includes(id));
  const cells = [];
  const gaps: Gap[] = [];
  for (const [index, workload] of chosen.entries()) {
    const outcome = await runWorkload(stage, workload, { rounds: options.rounds, amount, note });
    cells.push(...outcome.cells);
    gaps.push(...outcome.gaps);
    if (!chosen.slice(index + 1).some(({ needs }) => needs === workload.needs))
      await stage.dismiss(workload.needs);
  }
  const idle: IdleCell[] = options.measuresIdle ? await measureMemory(stage, options, gaps) : [];
  const charts = GROWTHS.filter(({ id }) => options.charts.includes(id));
  const points = [];
  for (const growth of charts) {
    const rounds = options.isQuick ? 1 : Math.min(options.rounds, CHART_ROUNDS);
    const outcome = await measureGrowth(stage, growth, { ...options, rounds, amount, note });
    points.push(...outcome.points);
    gaps.push(...outcome.gaps);
  }
  return {
    workloads: chosen.map(({ id, title, about, needs }: Workload) => ({ id, title, about, needs })),
    cells,
    gaps,
    idle,
    charts: charts.map(({ id, title, xLabel, yLabel, note: remark }) => ({
      id,
      title,
      xLabel,
      yLabel,
      note: remark,
    })),
    points,
  };
}

async function measureMemory(stage: Stage, options: ServerOptions, gaps: Gap[]): Promise<IdleCell[]> {
  const cells: IdleCell[] = [];
  for (const peer of stage.peers.filter(
    ({ offers, isOnlyFor }) => offers.includes('plain') && isOnlyFor === undefined,
  )) {
    try {
      cells.push(await measureIdle(stage, peer, options.idleSessions));
      note(`idle  ${idleCells(cells.at(-1)!, peer.name).join('  ')}`);
    } catch (error) {
      gaps.push({
        workload: 'idle',
        server: peer.name,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }
  return cells;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killServers();
    process.exit(1);
  });
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  killServers();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
