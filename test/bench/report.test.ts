import { describe, expect, test } from 'vitest';
import { barChart, barScale } from '../../bench/report/bar-chart.ts';
import { microVerdicts, forwardVerdicts, serverVerdicts } from '../../bench/report/budgets.ts';
import { lineChart, scaleOf } from '../../bench/report/line-chart.ts';
import { microPictures, serverPictures } from '../../bench/report/pictures.ts';
import { microSection, serverSection } from '../../bench/report/sections.ts';
import type { Cell, MicroResults, ServerResults } from '../../bench/results.ts';
import { perSession, summarise } from '../../bench/server/summary.ts';
import { markdownTable, printTable } from '../../bench/text-table.ts';

const spread = (median: number) => ({ min: median * 0.9, median, max: median * 1.1, count: 3 });
const run = {
  takenAt: '2026-03-02T10:00:00Z',
  command: 'npm run bench:server',
  version: '2.0.0',
  commit: 'abc123',
  machine: {
    processor: 'P',
    cores: 2,
    memoryMiB: 4_096,
    system: 'S',
    kernel: '6',
    node: '20.20.0',
    v8: '11',
    loadBefore: 0.1,
  },
};
const cell = (server: string, round: number, cpuSeconds: number, workload = 'W1'): Cell => ({
  workload,
  server,
  round,
  messages: 1_000,
  cpuSeconds,
  seconds: 2,
  octets: 1_024_000,
});
const participant = (name: string) => ({ name, label: `the ${name}`, version: '1', settings: ['plain'] });

const RESULTS: ServerResults = {
  kind: 'server',
  run,
  rounds: 2,
  isPinned: true,
  participants: [
    ...['node-floor', 'qpsmtpd', 'smtp-sink', 'haraka'].map(participant),
    { ...participant('opensmtpd'), version: undefined, missing: 'there is no <such> package' },
  ],
  workloads: [{ id: 'W1', title: 'small', about: 'Small ones.' }],
  cells: [
    cell('node-floor', 0, 0.2),
    cell('node-floor', 1, 0.1),
    cell('qpsmtpd', 0, 0.26),
    cell('qpsmtpd', 1, 0.13),
    cell('smtp-sink', 0, 0.1),
    cell('haraka', 1, 0.9),
  ],
  gaps: [{ workload: 'W1', server: 'haraka', reason: 'round 1: it hung\nmore' }],
  idle: [
    {
      server: 'node-floor',
      sessions: [100, 1_000],
      rssKiB: [40_000, 41_000, 44_000],
      pssKiB: [40_000, 41_000, 44_000],
    },
    {
      server: 'qpsmtpd',
      sessions: [100, 1_000],
      rssKiB: [50_000, 51_000, 57_000],
      pssKiB: [50_000, 51_000, 57_000],
    },
  ],
  charts: [{ id: 'recipients', title: 'R', xLabel: 'x', yLabel: 'y', note: 'n' }],
  points: [
    { chart: 'recipients', series: 'a & b', x: 1, value: spread(50) },
    { chart: 'recipients', series: 'a & b', x: 100, value: spread(900) },
  ],
};

describe('the summary of a server run', () => {
  test('servers come cheapest first, with ratios to the base of the same round', () => {
    const lines = summarise(RESULTS.cells, 'W1', RESULTS.participants);
    expect(lines.map(({ server }) => server)).toEqual(['smtp-sink', 'node-floor', 'qpsmtpd', 'haraka']);
    const own = lines.find(({ server }) => server === 'qpsmtpd')!;
    expect(own.cpu.median).toBeCloseTo(195);
    expect(own.ratio).toMatchObject({ count: 2 });
    expect(own.ratio!.median).toBeCloseTo(1.3);
    expect(lines.at(-1)!.ratio!.median).toBeCloseTo(9);
  });

  test('a session costs what memory grew by, over the sessions', () => {
    expect(perSession(RESULTS.idle[1]!)).toEqual({ rss: 7, pss: 7, marginalRss: 6_000 / 900 });
  });
});

describe('the budgets', () => {
  const verdictOf = (promise: RegExp) =>
    serverVerdicts(RESULTS).find((verdict) => promise.test(verdict.promise));

  test('a ratio within its budget is kept, a session beyond its own is missed', () => {
    expect(verdictOf(/^W1: at most 1.4/)).toMatchObject({ isKept: true });
    expect(verdictOf(/idle session/)).toMatchObject({ isKept: false, measured: '3.0 KiB at 1000 sessions' });
  });

  test('what was not measured is neither kept nor missed', () => {
    expect(verdictOf(/^W4: at most/)).toMatchObject({ isKept: undefined, measured: '-' });
    expect(verdictOf(/durable/)!.isKept).toBeUndefined();
  });

  test('handing on is held against accepting in the same workload, and against nothing else', () => {
    const about = (seconds: number): ServerResults => ({
      ...RESULTS,
      participants: [...RESULTS.participants, participant('qpsmtpd-forward')],
      workloads: [...RESULTS.workloads, { id: 'forward', title: 'f', about: 'F.', needs: 'forward' }],
      cells: [
        { ...cell('qpsmtpd', 0, 0.1), workload: 'forward' },
        { ...cell('qpsmtpd-forward', 0, seconds), workload: 'forward' },
      ],
    });
    expect(forwardVerdicts(RESULTS)).toEqual([]);
    expect(forwardVerdicts(about(0.19))).toMatchObject([{ isKept: true, measured: '1.90 x' }]);
    expect(forwardVerdicts(about(0.21))).toMatchObject([{ isKept: false, measured: '2.10 x' }]);
    expect(serverVerdicts(about(0.19)).filter(({ promise }) => promise.startsWith('forward'))).toEqual([]);
  });

  test('smtp-sink is no rival where it need not read: Haraka is the nearest peer', () => {
    expect(verdictOf(/^W1: below every peer/)).toMatchObject({ isKept: true, measured: '0.22 x the haraka' });
  });
});

describe('the charts', () => {
  const shapesOf = (svg: string, name: string): number => svg.split(`<${name} `).length - 1;

  test('a bar chart has a bar for each value and escapes what it is told', () => {
    const bars = ['a < b', 'c & d'].map((label, index) => ({
      label,
      value: spread(10 + index),
      isOwn: index === 0,
    }));
    const svg = barChart('T', 'u', bars);
    expect(shapesOf(svg, 'rect')).toBe(2);
    expect(svg).toContain('a &lt; b');
    expect(svg).toContain('c &amp; d');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('bars are in proportion, and logarithmic only where some could not be seen otherwise', () => {
    const even = barScale([10, 20], 400);
    expect(even.isLog).toBe(false);
    expect(even.at(10)).toBe(200);
    const wide = barScale([1, 1_000], 400);
    expect(wide.isLog).toBe(true);
    expect(wide.at(1_000)).toBe(400);
    expect(wide.at(1)).toBeGreaterThan(0);
  });

  test('a line chart has a point for each value, zero included, inside the frame', () => {
    const points = [0, 1, 100, 10_000].map((x) => ({ x, y: 5 + x }));
    const svg = lineChart({ title: 'T', xLabel: 'x', yLabel: 'y' }, [{ name: 's', points }]);
    // One circle more for the legend.
    expect(shapesOf(svg, 'circle')).toBe(5);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const scale = scaleOf([0, 1, 100, 10_000], 0, 100, true);
    expect([scale.at(0), scale.at(10_000)]).toEqual([0, 100]);
    expect(scale.at(1)).toBeGreaterThan(0);
  });

  test('every workload, the memory and each growth have a picture', () => {
    expect(serverPictures(RESULTS).map(({ file }) => file)).toEqual(['W1.svg', 'idle.svg', 'recipients.svg']);
  });
});

describe('the report', () => {
  test('names who is missing and why, what was not measured, and how to measure it again', () => {
    const text = serverSection(RESULTS, serverPictures(RESULTS));
    expect(text).toContain('missing. there is no <such> package');
    expect(text).toContain('Not measured: haraka: round 1: it hung.');
    expect(text).toContain('npm run bench:server -- --only W1');
    expect(text).toContain('![W1: small](benchmarks/W1.svg)');
    expect(text).toContain('commit abc123');
  });

  test('shows how much faster the core is, and whether that is enough', () => {
    const row = (contestant: string, median: number) => ({
      path: 'data' as const,
      octets: 65_536,
      items: 1,
      contestant,
      nanoseconds: spread(median),
    });
    const micro: MicroResults = {
      kind: 'micro',
      run,
      contestants: [{ path: 'data', name: 'wasm', way: 'w' }],
      rows: [
        row('wasm', 5_000),
        row('best JavaScript', 19_000),
        row('smtp-server', 90_000),
        row('memcpy', 700),
      ],
    };
    const [against, peer, batch] = microVerdicts(micro);
    expect(against).toMatchObject({ measured: '3.8 x', isKept: false });
    expect(peer).toMatchObject({ measured: '18.0 x', isKept: true });
    expect(batch).toMatchObject({ isKept: undefined });
    expect(microSection(micro, microPictures(micro))).toMatch(
      /\| best JavaScript \| +65536 \| +1 \| +19,000 \|.* 3\.80 \|/,
    );
  });

  test('tables keep their columns, in the terminal and in Markdown', () => {
    expect(
      printTable(
        ['', 'n'],
        [
          ['a', '10'],
          ['long', '2'],
        ],
      ),
    ).toBe('       n\n----  --\na     10\nlong   2');
    expect(markdownTable(['', 'n'], [['a|b', '10']])).toBe('|      |   n |\n| ---- | --: |\n| a\\|b |  10 |');
  });
});
