/** The figures of a run in the form people read: per workload and server, as ratios to the base. */

import { BASE } from '../peers/all-peers.ts';
import type { Cell, Gap, IdleCell, Participant } from '../results.ts';
import { pairRatios, showNumber, spreadOf, type Spread } from '../statistics.ts';

/** One server in one workload, over the rounds. */
export interface Line {
  readonly server: string;
  readonly label: string;
  /** Microseconds of CPU a message. */
  readonly cpu: Spread;
  /** The same over the base's of the same round; undefined where the base did not run. */
  readonly ratio: Spread | undefined;
  readonly messagesPerSecond: Spread;
  readonly megabytesPerSecond: Spread;
  readonly p50Ms: Spread | undefined;
}

const cpuOf = ({ cpuSeconds, messages }: Cell): number => (cpuSeconds / messages) * 1e6;

/** The servers that ran a workload, cheapest first. */
export function summarise(
  cells: readonly Cell[],
  workload: string,
  participants: readonly Participant[],
): Line[] {
  const here = cells.filter((cell) => cell.workload === workload);
  const costs = (server: string) =>
    here.filter((cell) => cell.server === server).map((cell) => ({ round: cell.round, value: cpuOf(cell) }));
  const base = costs(BASE);
  return participants
    .filter(({ name }) => here.some(({ server }) => server === name))
    .map(({ name, label }) => {
      const own = here.filter(({ server }) => server === name);
      const ratios = pairRatios(costs(name), base);
      const waits = own.flatMap(({ p50Ms }) => (p50Ms === undefined ? [] : [p50Ms]));
      return {
        server: name,
        label,
        cpu: spreadOf(own.map(cpuOf)),
        ratio: ratios.length > 0 ? spreadOf(ratios) : undefined,
        messagesPerSecond: spreadOf(own.map(({ messages, seconds }) => messages / seconds)),
        megabytesPerSecond: spreadOf(own.map(({ octets, seconds }) => octets / seconds / 1e6)),
        p50Ms: waits.length > 0 ? spreadOf(waits) : undefined,
      };
    })
    .sort((a, b) => a.cpu.median - b.cpu.median);
}

export const LINE_HEAD = [
  '',
  'CPU us a message',
  'min',
  'max',
  'x floor',
  'min',
  'max',
  'messages/s',
  'MB/s',
  'p50 ms',
];

export function lineCells({
  label,
  cpu,
  ratio,
  messagesPerSecond,
  megabytesPerSecond,
  p50Ms,
}: Line): string[] {
  return [
    label,
    showNumber(cpu.median),
    showNumber(cpu.min),
    showNumber(cpu.max),
    ratio === undefined ? '-' : ratio.median.toFixed(2),
    ratio === undefined ? '-' : ratio.min.toFixed(2),
    ratio === undefined ? '-' : ratio.max.toFixed(2),
    showNumber(messagesPerSecond.median),
    showNumber(megabytesPerSecond.median),
    p50Ms === undefined ? '-' : showNumber(p50Ms.median),
  ];
}

/** KiB for each session: on average, and of those that came after the first fifth, which pay for the growth of heaps. */
export function perSession({ sessions: [early, most], rssKiB, pssKiB }: IdleCell): {
  readonly rss: number;
  readonly pss: number;
  readonly marginalRss: number;
} {
  return {
    rss: (rssKiB[2] - rssKiB[0]) / most,
    pss: (pssKiB[2] - pssKiB[0]) / most,
    marginalRss: most > early ? (rssKiB[2] - rssKiB[1]) / (most - early) : 0,
  };
}

export const IDLE_HEAD = [
  '',
  'sessions',
  'RSS before, MiB',
  'RSS after, MiB',
  'KiB a session',
  'of the later ones',
  'PSS, KiB a session',
];

export function idleCells(cell: IdleCell, label: string): string[] {
  const { rss, pss, marginalRss } = perSession(cell);
  return [
    label,
    showNumber(cell.sessions[1]),
    showNumber(cell.rssKiB[0] / 1_024),
    showNumber(cell.rssKiB[2] / 1_024),
    rss.toFixed(1),
    marginalRss.toFixed(1),
    pss.toFixed(1),
  ];
}

/** What is missing from a workload's table, one line each. */
export const showGap = ({ server, reason }: Gap): string => `${server}: ${reason.split('\n', 1)[0]}`;
