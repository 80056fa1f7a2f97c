/** The charts of the report. */

import { perSession, summarise } from '../server/summary.ts';
import type { MicroResults, ServerResults } from '../results.ts';
import { barChart, type Bar } from './bar-chart.ts';
import { lineChart } from './line-chart.ts';

export interface Picture {
  /** Workload, chart, `idle`, or `micro` and a path. */
  readonly subject: string;
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

const isOwn = (server: string): boolean => server.startsWith('qpsmtpd');

export function serverPictures(results: ServerResults): Picture[] {
  return [...workloadPictures(results), ...idlePicture(results), ...growthPictures(results)];
}

function workloadPictures({ workloads, cells, participants }: ServerResults): Picture[] {
  return workloads.flatMap(({ id, title }) => {
    const lines = summarise(cells, id, participants);
    if (lines.length === 0) return [];
    const isRate = id === 'durable';
    const isWait = id.startsWith('latency');
    const bars: Bar[] = lines.map(({ label, server, cpu, messagesPerSecond, p50Ms }) => ({
      label,
      value: isRate ? messagesPerSecond : isWait ? p50Ms! : cpu,
      isOwn: isOwn(server),
    }));
    const unit = isRate
      ? 'messages a second'
      : isWait
        ? 'milliseconds a message'
        : 'CPU microseconds a message';
    const whole = `${id}: ${title}`;
    return [{ subject: id, file: `${id}.svg`, title: whole, svg: barChart(whole, unit, bars) }];
  });
}

function idlePicture({ idle, participants }: ServerResults): Picture[] {
  if (idle.length === 0) return [];
  const bars = idle
    .map((cell): Bar => {
      const { rss, pss } = perSession(cell);
      // A server of one process shares nothing with itself; for the others the shared part is no cost of a session.
      const value = Math.max(Math.min(rss, pss), 0.01);
      const label = participants.find(({ name }) => name === cell.server)?.label ?? cell.server;
      return { label, value: { min: value, median: value, max: value, count: 1 }, isOwn: isOwn(cell.server) };
    })
    .sort((a, b) => a.value.median - b.value.median);
  const title = 'Memory of an idle session';
  return [
    {
      subject: 'idle',
      file: 'idle.svg',
      title,
      svg: barChart(title, 'KiB a session, shared pages counted once', bars),
    },
  ];
}

function growthPictures({ charts, points }: ServerResults): Picture[] {
  return charts.flatMap((chart) => {
    const here = points.filter((point) => point.chart === chart.id);
    if (here.length === 0) return [];
    const series = [...new Set(here.map((point) => point.series))].map((name) => ({
      name,
      points: here.filter((point) => point.series === name).map(({ x, value }) => ({ x, y: value.median })),
    }));
    return [
      { subject: chart.id, file: `${chart.id}.svg`, title: chart.title, svg: lineChart(chart, series) },
    ];
  });
}

/** One picture a path, at the largest size measured. */
export function microPictures({ rows }: MicroResults): Picture[] {
  return [...new Set(rows.map(({ path }) => path))].map((path) => {
    const here = rows.filter((row) => row.path === path);
    const largest = Math.max(...here.map(({ octets }) => octets));
    const bars = here
      .filter(({ octets }) => octets === largest)
      .map(({ contestant, nanoseconds, items }) => ({
        label: contestant,
        value: perItem(nanoseconds, items),
        isOwn: contestant === 'wasm',
      }))
      .sort((a, b) => a.value.median - b.value.median);
    const title = `${path}, ${largest.toLocaleString('en-US')} octets`;
    const unit =
      here[0]!.items > 1 || path === 'batch' || path === 'headers'
        ? 'nanoseconds an item'
        : 'nanoseconds a call';
    return {
      subject: `micro ${path}`,
      file: `micro-${path.replace(' ', '-')}.svg`,
      title,
      svg: barChart(title, unit, bars),
    };
  });
}

const perItem = ({ min, median, max, count }: Bar['value'], items: number): Bar['value'] => ({
  min: min / items,
  median: median / items,
  max: max / items,
  count,
});
