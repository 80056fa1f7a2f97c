/** The parts of docs/benchmarks.md, each from the results of one kind of run. */

import { outcomeRows, showDuration } from '../apache-day/account.ts';
import type { RunFacts } from '../machine.ts';
import { BANNER_HEAD, bannerCells, COST_HEAD, costRows } from '../fronts/rows.ts';
import type { DayResults, FrontResults, MicroResults, MicroRow, ServerResults } from '../results.ts';
import { showNumber } from '../statistics.ts';
import { IDLE_HEAD, idleCells, LINE_HEAD, lineCells, showGap, summarise } from '../server/summary.ts';
import { markdownTable } from '../text-table.ts';
import {
  forwardVerdicts,
  frontVerdicts,
  microVerdicts,
  peerVerdicts,
  serverVerdicts,
  type Verdict,
} from './budgets.ts';
import type { Picture } from './pictures.ts';

const image = ({ file, title }: Picture): string => `![${title}](benchmarks/${file})`;

/** The pictures of one subject. */
const imagesOf = (pictures: readonly Picture[], subject: string): string[] =>
  pictures.filter((picture) => picture.subject === subject).map(image);

const QUICK_NOTE = '**A quick run: it shows that everything works, and its figures are not to be quoted.**';

export function runSection({ takenAt, command, version, commit, machine }: RunFacts): string {
  const { processor, cores, memoryMiB, system, kernel, node, loadBefore } = machine;
  return [
    `Measured on ${takenAt.slice(0, 10)} with \`${command}\`, version ${version}${commit === undefined ? '' : `, commit ${commit}`}, on`,
    `${processor}, ${cores} cores, ${showNumber(Math.round(memoryMiB / 1_024))} GiB, ${system}, Linux ${kernel}, Node ${node};`,
    `load average before the run ${loadBefore.toFixed(2)}.`,
    ...(command.includes('--quick') ? ['', QUICK_NOTE] : []),
  ].join('\n');
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  const outcome = ({ isKept }: Verdict): string =>
    isKept === undefined ? 'not measured' : isKept ? 'kept' : '**missed**';
  return markdownTable(
    ['budget', 'measured', ''],
    verdicts.map((verdict) => [verdict.promise, verdict.measured, outcome(verdict)]),
    () => false,
  );
}

/** Parts with an empty line between them; list items stand together. */
const paragraphs = (parts: readonly string[]): string =>
  parts.join('\n\n').replaceAll(/^(- .*)\n\n(?=- )/gm, '$1\n');

export function serverSection(results: ServerResults, pictures: readonly Picture[]): string {
  const { run, rounds, isPinned } = results;
  return paragraphs([
    '## Whole servers',
    runSection(run),
    `Each figure is from ${rounds} rounds in which all servers took their turn, each round begun by another one, ` +
      'after a warm-up that went on until messages became no cheaper. ' +
      (isPinned ? 'Servers ran on one core and the load generator on another. ' : '') +
      'CPU is user and system time of all processes of a server, ended children included; ratios are to the bare Node ' +
      'server in the same round. Messages a second are what this machine left over: they order servers and promise nothing.',
    '### Budgets',
    verdictTable([...serverVerdicts(results), ...forwardVerdicts(results)]),
    ...workloadSections(results, pictures),
    ...idleSection(results, pictures),
    ...growthSection(results, pictures),
    ...participantSection(results),
  ]);
}

/** What handing on costs beside accepting alone, from a run of its own. */
export const forwardSection = (results: ServerResults): string =>
  partSection(results, 'Handing on', forwardVerdicts(results));

/** Workloads whose ranges ran into those of a peer, by themselves: a machine shared with others has better and worse hours. */
export const againSection = (results: ServerResults): string =>
  partSection(results, 'Taken again', peerVerdicts(results));

function partSection(results: ServerResults, title: string, verdicts: readonly Verdict[]): string {
  return paragraphs([
    `## ${title}`,
    runSection(results.run),
    verdictTable(verdicts),
    ...workloadSections(results, []),
    ...participantSection(results),
  ]);
}

const workloadSections = (
  { workloads, cells, gaps, participants }: ServerResults,
  pictures: readonly Picture[],
): string[] =>
  workloads.flatMap(({ id, title, about }) => [
    `### ${id}: ${title}`,
    about,
    ...imagesOf(pictures, id),
    markdownTable(LINE_HEAD, summarise(cells, id, participants).map(lineCells)),
    ...gapList(gaps.filter(({ workload }) => workload === id).map(showGap)),
    `Again: \`npm run bench:server -- --only ${id}\``,
  ]);

const participantSection = ({ participants }: ServerResults): string[] => [
  '### Who took part, and how',
  ...participants.map(
    ({ label, version, settings, missing }) =>
      `- **${label}**${version === undefined ? '' : ` ${version}`}: ${missing === undefined ? settings.join('; ') : `missing. ${missing}`}.`,
  ),
];

const gapList = (gaps: readonly string[]): string[] =>
  gaps.length === 0 ? [] : [`Not measured: ${gaps.join('; ')}.`];

function idleSection({ idle, gaps, participants }: ServerResults, pictures: readonly Picture[]): string[] {
  if (idle.length === 0) return [];
  const labelOf = (name: string): string => participants.find((each) => each.name === name)?.label ?? name;
  return [
    '### Idle sessions',
    'Each has read the greeting and the reply to EHLO and then says nothing. RSS leaves out what the kernel holds for a ' +
      'socket. Servers of many processes share most of their memory: read their PSS.',
    ...imagesOf(pictures, 'idle'),
    markdownTable(
      IDLE_HEAD,
      idle.map((cell) => idleCells(cell, labelOf(cell.server))),
    ),
    ...gapList(gaps.filter(({ workload }) => workload === 'idle').map(showGap)),
    'Again: `npm run bench:server -- --only idle`',
  ];
}

function growthSection({ charts, points, gaps }: ServerResults, pictures: readonly Picture[]): string[] {
  return charts.flatMap(({ id, title, xLabel, yLabel, note }) => [
    `### ${title}`,
    note,
    ...imagesOf(pictures, id),
    markdownTable(
      [xLabel, '', yLabel, 'min', 'max'],
      points
        .filter(({ chart }) => chart === id)
        .map(({ series, x, value }) => [
          String(x),
          series,
          showNumber(value.median),
          showNumber(value.min),
          showNumber(value.max),
        ]),
      (column) => column !== 1,
    ),
    ...gapList(gaps.filter(({ workload }) => workload === id).map(showGap)),
    `Again: \`npm run bench:server -- --only ${id}\``,
  ]);
}

export function frontsSection(results: FrontResults): string {
  const { run, rounds, isPinned, httpd, workloads, banners } = results;
  return paragraphs([
    '## Servers in front',
    runSection(run),
    `A message that comes by Apache httpd and \`contrib/apache/mod_qpsmtpd.c\`, beside one that comes to the same daemon directly: ` +
      `processor time of the daemon and of all processes of httpd together, ${rounds} rounds in which both ways took their turn. ` +
      (isPinned ? 'Both servers ran on one core and the load generator on the other. ' : '') +
      `The daemon has one worker and the plugins rcpt_ok and queue/discard. httpd ${httpd.version}: ${httpd.settings}.`,
    '### Budgets',
    verdictTable(frontVerdicts(results)),
    ...workloads.map(({ id, title, about }) => `- **${id}**: ${title}. ${about}`),
    markdownTable(COST_HEAD, costRows(results), (column) => column > 1),
    `The greeting, from connecting to its first octets, for ${banners[0]!.milliseconds.count} clients one after the other on each way, by turns:`,
    markdownTable(BANNER_HEAD, banners.map(bannerCells)),
    'Again: `npm run bench:fronts`',
  ]);
}

export function microSection(results: MicroResults, pictures: readonly Picture[]): string {
  const paths = [...new Set(results.rows.map(({ path }) => path))];
  return paragraphs([
    '## Byte-level paths',
    runSection(results.run),
    'All contestants gave the same answers before anything was timed. Times are medians over the rounds of the mean that ' +
      'benchmark.js found in each; octets are warm in the cache, as they are right after a read.',
    '### Budgets',
    verdictTable(microVerdicts(results)),
    ...paths.flatMap((path) => [
      `### ${path}`,
      ...imagesOf(pictures, `micro ${path}`),
      markdownTable(
        ['', 'octets', 'items', 'ns a call', 'ns an item', 'MB/s', 'x memcpy', 'x wasm'],
        microCells(results.rows, path),
      ),
    ]),
    '### Contestants',
    ...results.contestants.map(({ path, name, way }) => `- **${name}**, ${path}: ${way}.`),
  ]);
}

function microCells(rows: readonly MicroRow[], path: string): string[][] {
  const here = rows.filter((row) => row.path === path);
  return here.map(({ contestant, octets, items, nanoseconds: { median } }) => {
    const time = (name: string): number =>
      here.find((row) => row.contestant === name && row.octets === octets)!.nanoseconds.median;
    return [
      contestant,
      String(octets),
      String(items),
      showNumber(median),
      showNumber(median / items),
      showNumber((octets / median) * 1_000),
      showNumber(median / time('memcpy')),
      showNumber(median / time('wasm')),
    ];
  });
}

export function daySection(results: DayResults): string {
  const {
    run,
    dayMessages,
    attempts,
    seconds,
    cpuSeconds,
    daySeconds,
    dayCpuSeconds,
    plugins,
    sessions,
    workers,
  } = results;
  return [
    '## A day of apache.org',
    runSection(run),
    `The figure that qpsmtpd's users named is two million messages a day, most of them refused. A sample of ` +
      `${showNumber(attempts)} such attempts, on a connection each, from ${sessions} clients at a time to ${workers} worker(s), ` +
      `took ${showNumber(seconds)} s and ${showNumber((cpuSeconds / attempts) * 1e6)} microseconds of the server's processor time each.`,
    `**Extrapolated from that sample, this machine needs ${showDuration(daySeconds)} for the ${showNumber(dayMessages)} attempts of the day** ` +
      `with the clients on the same machine, of which the server takes ${showDuration(dayCpuSeconds)} of processor time: ` +
      `${((dayCpuSeconds / 86_400) * 100).toFixed(1)} % of one core over the day.`,
    markdownTable(['', 'attempts', 'share'], outcomeRows(results)),
    `Plugins: ${plugins.map((plugin) => `\`${plugin}\``).join(', ')}. The parameters and the reasons for them are in ` +
      '[bench/apache-day/README.md](../bench/apache-day/README.md). Not in it: waiting for the DNS, slow clients, and hours that are busier than others.',
  ].join('\n\n');
}
