/** What is varied to see how the cost grows, one chart each. */

import type { ScaleChart } from '../results.ts';
import type { Workload } from './workloads.ts';

/** A chart whose points are runs of a workload with one number changed. */
export interface Growth extends ScaleChart {
  readonly steps: { readonly full: readonly number[]; readonly quick: readonly number[] };
  /** The workload at a step. */
  readonly workload: (step: number) => Workload;
}

const KIB = 1_024;
const CPU = 'CPU a message, microseconds';

const pipelined = (id: string, plan: Partial<Workload['plan']>): Workload => ({
  id,
  title: id,
  about: id,
  generator: 'load',
  sessions: 20,
  minPerSession: 10,
  needs: 'plain',
  isGreetingBound: false,
  plan: { octets: KIB, perConnection: 100, isPipelined: true, ...plan },
});

export const OPEN_SESSIONS: Growth = {
  id: 'sessions',
  title: 'Cost against open sessions',
  xLabel: 'idle sessions beside the 20 that work',
  yLabel: CPU,
  note: 'Messages of 1 KiB, kept and pipelined, while so many other sessions are open and silent. Flat is right.',
  steps: { full: [0, 100, 1_000, 10_000], quick: [0, 100, 1_000] },
  workload: (step) => pipelined(`sessions-${step}`, {}),
};

export const RECIPIENTS: Growth = {
  id: 'recipients',
  title: 'Cost against recipients',
  xLabel: 'recipients of a message',
  yLabel: CPU,
  note: 'Messages of 1 KiB, kept and pipelined. A straight line at 45 degrees at the right is linear.',
  steps: { full: [1, 3, 10, 30, 100, 300, 1_000], quick: [1, 10, 100] },
  workload: (step) => pipelined(`recipients-${step}`, { recipients: step }),
};

export const HEADER: Growth = {
  id: 'header',
  title: 'Cost against the size of the header',
  xLabel: 'header, KiB',
  yLabel: CPU,
  note: 'The header of a message grows field by field, 1 KiB of text behind it; kept and pipelined.',
  steps: { full: [1, 4, 16, 64, 128], quick: [1, 16, 64] },
  workload: (step) => pipelined(`header-${step}`, { octets: (step + 1) * KIB, headerOctets: step * KIB }),
};

export const PLUGINS: Growth = {
  id: 'plugins',
  title: 'Cost against plugins loaded',
  xLabel: 'plugins beside rcpt_ok and queue/discard',
  yLabel: CPU,
  note: 'Each further plugin has the hooks connect, ehlo, mail, rcpt, data and data_post and declines in all of them.',
  steps: { full: [0, 5, 10, 20, 40], quick: [0, 10, 40] },
  workload: (step) => pipelined(`plugins-${step}`, {}),
};

export const WORKERS: Growth = {
  id: 'workers',
  title: 'Workers',
  xLabel: 'workers',
  yLabel: 'messages a second',
  note: 'Nothing is pinned here: the load generators share the cores with the workers, so that two workers on two cores cannot be twice as fast.',
  steps: { full: [1, 2], quick: [1, 2] },
  workload: (step) => pipelined(`workers-${step}`, {}),
};

export const GROWTHS: readonly Growth[] = [OPEN_SESSIONS, RECIPIENTS, HEADER, PLUGINS, WORKERS];

export const CHART_IDS: readonly string[] = GROWTHS.map(({ id }) => id);
