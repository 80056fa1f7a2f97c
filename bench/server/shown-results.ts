/** A run as it is printed when it ends. */

import type { ServerResults } from '../results.ts';
import { printTable } from '../text-table.ts';
import { IDLE_HEAD, idleCells, LINE_HEAD, lineCells, showGap, summarise } from './summary.ts';

export function showResults(results: ServerResults): string {
  return [...showWorkloads(results), ...showIdle(results), ...showCharts(results)].join('\n');
}

function showWorkloads(results: ServerResults): string[] {
  const { workloads, cells, participants } = results;
  return workloads.flatMap(({ id, title }) => {
    const lines = summarise(cells, id, participants);
    const table = lines.length > 0 ? [printTable(LINE_HEAD, lines.map(lineCells))] : [];
    return [`\n${id}: ${title}\n`, ...table, ...showGaps(results, id)];
  });
}

function showIdle(results: ServerResults): string[] {
  const { idle, participants } = results;
  if (idle.length === 0) return [];
  const labelOf = (name: string): string => participants.find((each) => each.name === name)?.label ?? name;
  const rows = idle.map((cell) => idleCells(cell, labelOf(cell.server)));
  return ['\nidle sessions\n', printTable(IDLE_HEAD, rows), ...showGaps(results, 'idle')];
}

function showCharts(results: ServerResults): string[] {
  return results.charts.flatMap(({ id, title, yLabel }) => {
    const rows = results.points
      .filter(({ chart }) => chart === id)
      .map(({ series, x, value }) => [series, String(x), value.median.toFixed(0)]);
    const table = rows.length > 0 ? [printTable(['', 'at', yLabel], rows)] : [];
    return [`\n${title}\n`, ...table, ...showGaps(results, id)];
  });
}

const showGaps = ({ gaps }: ServerResults, workload: string): string[] =>
  gaps.filter((gap) => gap.workload === workload).map((gap) => `not measured: ${showGap(gap)}`);
