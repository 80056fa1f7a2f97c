/** The figures of a run as tables have them, on the terminal and in the report. */

import type { BannerRow, FrontResults } from '../results.ts';
import { showNumber, spreadOf, type InRound, type Spread } from '../statistics.ts';

export const COST_HEAD = ['', '', 'CPU us a message', 'min', 'max', 'of it httpd', 'messages/s'];

const LABELS: Readonly<Record<string, string>> = {
  direct: 'direct',
  httpd: 'through httpd and mod_qpsmtpd',
};

export function costRows({ cells, workloads }: FrontResults): string[][] {
  return workloads.flatMap(({ id }) =>
    Object.entries(LABELS).map(([server, label]) => {
      const own = cells.filter((cell) => cell.workload === id && cell.server === server);
      const cost = spreadOf(own.map(({ cpuSeconds, messages }) => (cpuSeconds / messages) * 1e6));
      const front = spreadOf(own.map(({ frontSeconds, messages }) => (frontSeconds / messages) * 1e6));
      const pace = spreadOf(own.map(({ messages, seconds }) => messages / seconds));
      return [
        id,
        label,
        ...spread(cost),
        server === 'direct' ? '-' : showNumber(front.median),
        showNumber(pace.median),
      ];
    }),
  );
}

/** Microseconds that httpd adds to a message, both counted, in each round. */
export function addedMicroseconds({ cells }: FrontResults, workload: string): Spread {
  const costs = (server: string): InRound[] =>
    cells
      .filter((cell) => cell.workload === workload && cell.server === server)
      .map(({ round, cpuSeconds, messages }) => ({ round, value: (cpuSeconds / messages) * 1e6 }));
  const direct = new Map(costs('direct').map(({ round, value }) => [round, value]));
  return spreadOf(costs('httpd').map(({ round, value }) => value - direct.get(round)!));
}

export const BANNER_HEAD = ['', 'greeting after, ms', 'min', 'max'];

export const bannerCells = ({ way, milliseconds }: BannerRow): string[] => [way, ...spread(milliseconds)];

const spread = ({ median, min, max }: Spread): string[] => [median, min, max].map(showNumber);
