import { parseArgs } from 'node:util';
import { PEERS } from '../peers/all-peers.ts';
import { DEFAULT_SCRATCH, ROOT } from '../places.ts';
import { CHART_IDS } from './charts.ts';
import { WORKLOADS } from './workloads.ts';
import { join } from 'node:path';

/** What `npm run bench:server` was asked to do. */
export interface ServerOptions {
  readonly servers: readonly string[];
  readonly workloads: readonly string[];
  readonly charts: readonly string[];
  readonly measuresIdle: boolean;
  readonly rounds: number;
  readonly idleSessions: number;
  readonly isQuick: boolean;
  readonly isPinned: boolean;
  readonly json: string | undefined;
  readonly program: string;
  readonly node: string;
  readonly scratch: string;
  readonly help: boolean;
}

const FULL_IDLE = 9_000;
const QUICK_IDLE = 1_000;
const IDLE = 'idle';

export const SERVER_USAGE = `usage: npm run bench:server -- [options]

Starts each server on loopback, sends mail to all of them in one interleaved run, and reports what a message costs their
processes, as ratios to a bare Node server in the same round. Peers are installed into a scratch folder outside the
repository; one that cannot be had is listed with the reason.

  --only NAME     only this server, workload, chart or "${IDLE}"; may be given several times, or with commas
  --rounds N      rounds, each begun by another server (5)
  --sessions N    idle sessions to measure memory with (${FULL_IDLE})
  --quick         2 rounds of short runs, ${QUICK_IDLE} idle sessions: shows that it works, within minutes
  --json FILE     write the results there instead of bench/results
  --program DIR   compiled program of this project to measure (dist)
  --node FILE     Node that runs the servers written for it (the one that runs this)
  --scratch DIR   where peers are installed and servers run (${DEFAULT_SCRATCH})
  --no-pin        let the scheduler choose; otherwise servers run on one core and generators on another
  --help          this text

servers:    ${PEERS.map(({ name }) => name).join(', ')}
workloads:  ${WORKLOADS.map(({ id }) => id).join(', ')}
charts:     ${CHART_IDS.join(', ')}
`;

/** Reads the command line; throws with what is wrong about it. */
export function parseServerOptions(args: readonly string[]): ServerOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      sessions: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      program: { type: 'string', default: join(ROOT, 'dist') },
      node: { type: 'string', default: process.execPath },
      scratch: { type: 'string', default: DEFAULT_SCRATCH },
      'no-pin': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    ...chooseParts(values.only.flatMap((names) => names.split(','))),
    rounds: readWhole('--rounds', values.rounds, values.quick ? 2 : 5, 1_000),
    idleSessions: readWhole('--sessions', values.sessions, values.quick ? QUICK_IDLE : FULL_IDLE, 20_000),
    isQuick: values.quick,
    isPinned: !values['no-pin'],
    json: values.json,
    program: values.program,
    node: values.node,
    scratch: values.scratch,
    help: values.help,
  };
}

/** Nothing of a kind named means all of that kind, unless something of another kind of work was. */
function chooseParts(
  names: readonly string[],
): Pick<ServerOptions, 'servers' | 'workloads' | 'charts' | 'measuresIdle'> {
  const servers = PEERS.map(({ name }) => name);
  const workloads = WORKLOADS.map(({ id }) => id);
  const known: readonly string[] = [...servers, ...workloads, ...CHART_IDS, IDLE];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is ${known.join(', ')}`);
  const named = (all: readonly string[]): string[] => all.filter((name) => names.includes(name));
  const works = names.some((name) => !servers.includes(name));
  return {
    servers: named(servers).length > 0 ? named(servers) : servers,
    workloads: works ? named(workloads) : workloads,
    charts: works ? named(CHART_IDS) : [...CHART_IDS],
    measuresIdle: works ? names.includes(IDLE) : true,
  };
}

export function readWhole(name: string, text: string | undefined, otherwise: number, most: number): number {
  if (text === undefined) return otherwise;
  const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (count >= 1 && count <= most) return count;
  throw new Error(`${name} ${text}: a whole number from 1 to ${most} is expected`);
}
