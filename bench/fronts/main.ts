/**
 * `npm run bench:fronts [-- --quick] [-- --rounds N]`: what servers in front of the daemon add. A message through Apache httpd, by
 * processor time of both; the greeting through a super-server and the launcher, by the clock. Fails if a budget is exceeded.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeRun } from '../machine.ts';
import { launchOwn } from '../peers/qpsmtpd.ts';
import { DEFAULT_SCRATCH, ROOT } from '../places.ts';
import { frontVerdicts } from '../report/budgets.ts';
import { resultsFile, writeResults, type FrontCell, type FrontResults } from '../results.ts';
import { readWhole } from '../server/options.ts';
import { killServers } from '../server/running-server.ts';
import { Stage } from '../server/stage.ts';
import { FULL, QUICK } from '../server/workloads.ts';
import { printTable } from '../text-table.ts';
import { measureBanners } from './banner-latency.ts';
import { buildModule, HTTPD_SETTINGS, launchHttpd } from './httpd.ts';
import { FRONT_WORKLOADS, measureCosts } from './message-cost.ts';
import { BANNER_HEAD, bannerCells, COST_HEAD, costRows } from './rows.ts';

const note = (text: string): void => void process.stderr.write(`${text}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** What the first line of `apache2 -v` says. */
const httpdVersion = (): string =>
  /Apache\/(\S+)/.exec(execFileSync('/usr/sbin/apache2', ['-v'], { encoding: 'utf8' }))?.[1] ?? 'unknown';

async function measureAll(
  stage: Stage,
  rounds: number,
  isQuick: boolean,
): Promise<Omit<FrontResults, 'run'>> {
  let socket = '';
  let place = undefined as Parameters<typeof buildModule>[0] | undefined;
  const daemon = await stage.startOther('daemon', (given, port) => {
    place = given;
    socket = join(given.folder, 'front.sock');
    const launch = launchOwn(given, { plugins: ['rcpt_ok', 'queue/discard'] }, 'plain', port);
    return { ...launch, args: [...launch.args, '--listen', `unix:${socket} mode=0666 proxy=required`] };
  });
  const module = buildModule(place!);
  const httpd = await stage.startOther('httpd', (given, port) => launchHttpd(given, module, socket, port));
  try {
    const ways = [
      { name: 'direct', port: daemon.port },
      { name: 'httpd', port: httpd.port, front: httpd },
    ];
    const cells: FrontCell[] = [];
    for (const workload of FRONT_WORKLOADS) {
      const amount = isQuick ? QUICK : FULL;
      const options = { rounds, amount, generatorCore: stage.generatorCore, note };
      cells.push(...(await measureCosts(daemon, ways, workload, options)));
    }
    const banners = await measureBanners(place!, { port: daemon.port, socket }, isQuick ? 50 : 500);
    return {
      kind: 'fronts',
      rounds,
      isPinned: stage.serverCore !== undefined,
      httpd: { version: httpdVersion(), settings: HTTPD_SETTINGS },
      workloads: FRONT_WORKLOADS.map(({ id, title, about }) => ({ id, title, about })),
      cells,
      banners,
    };
  } finally {
    await httpd.stop();
    await daemon.stop();
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const rounds = readWhole('--rounds', values.rounds, values.quick ? 2 : 9, 1_000);
  const run = describeRun(['npm run bench:fronts', ...(args.length > 0 ? ['--', ...args] : [])].join(' '));
  const stage = new Stage({
    scratch: DEFAULT_SCRATCH,
    program: join(ROOT, 'dist'),
    node: process.execPath,
    isPinned: true,
  });
  try {
    const results: FrontResults = { run, ...(await measureAll(stage, rounds, values.quick)) };
    print(printTable(COST_HEAD, costRows(results)));
    print(printTable(BANNER_HEAD, results.banners.map(bannerCells)));
    const verdicts = frontVerdicts(results);
    for (const { promise, measured, isKept } of verdicts)
      print(`${isKept === true ? 'kept  ' : 'MISSED'}  ${promise}: ${measured}`);
    const file = values.json ?? resultsFile('fronts', values.quick);
    writeResults(file, results);
    print(`\nwritten to ${file}`);
    return verdicts.every(({ isKept }) => isKept === true) ? 0 : 1;
  } finally {
    await stage.close();
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killServers();
    process.exit(1);
  });
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  killServers();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
