/** Measures the points of the charts: this project's server, and the bare Node server where it can do the same. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NODE_FLOOR } from '../peers/floors.ts';
import type { Place } from '../peers/peer.ts';
import { launchOwn } from '../peers/qpsmtpd.ts';
import type { Gap, ScalePoint } from '../results.ts';
import { spreadOf } from '../statistics.ts';
import { OPEN_SESSIONS, PLUGINS, WORKERS, type Growth } from './charts.ts';
import { IdleSessions } from './idle-memory.ts';
import { findAmount, measure, type Subject } from './measure.ts';
import type { Launch, RunningServer } from './running-server.ts';
import type { Stage } from './stage.ts';
import type { Amount } from './workloads.ts';

export interface GrowthOptions {
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly amount: Amount;
  readonly note: (text: string) => void;
}

const LEAN = ['rcpt_ok', 'queue/discard'];

/** A line of a chart: the server at each step, and whether it is the same one at all of them. */
interface Curve {
  readonly series: string;
  readonly isOneServer: boolean;
  readonly launch: (step: number, place: Place, port: number) => Launch;
}

const OWN: Curve = {
  series: 'qpsmtpd for Node',
  isOneServer: true,
  launch: (_step, place, port) => launchOwn(place, { plugins: LEAN }, 'plain', port),
};
const FLOOR: Curve = {
  series: 'bare Node sockets',
  isOneServer: true,
  launch: (_step, place, port) => NODE_FLOOR.launch(place, 'plain', port),
};

function curvesOf({ id }: Growth): readonly Curve[] {
  if (id === PLUGINS.id) return [{ ...OWN, isOneServer: false, launch: launchWithPlugins }];
  if (id === WORKERS.id) return [{ ...OWN, isOneServer: false, launch: launchWorkers }];
  return [OWN, FLOOR];
}

export interface GrowthOutcome {
  readonly points: readonly ScalePoint[];
  readonly gaps: readonly Gap[];
}

/** A point that cannot be measured is a gap with a reason; the others are measured all the same. */
export async function measureGrowth(
  stage: Stage,
  growth: Growth,
  options: GrowthOptions,
): Promise<GrowthOutcome> {
  const points: ScalePoint[] = [];
  const gaps: Gap[] = [];
  const lines = curvesOf(growth).map((curve) => new Line(stage, growth, curve));
  try {
    for (const step of options.isQuick ? growth.steps.quick : growth.steps.full) {
      for (const line of lines) {
        const { series } = line;
        try {
          const value = spreadOf(await line.measure(step, options));
          points.push({ chart: growth.id, series, x: step, value });
          options.note(`${growth.id}  ${step}  ${series}: ${value.median.toFixed(0)} (${growth.yLabel})`);
        } catch (error) {
          const reason = `at ${step}: ${error instanceof Error ? error.message : String(error)}`;
          gaps.push({ workload: growth.id, server: series, reason });
        }
      }
    }
  } finally {
    for (const line of lines) await line.close();
  }
  return { points, gaps };
}

/** The server of a curve, and the idle sessions that are open to it. */
class Line {
  readonly series: string;
  readonly #stage: Stage;
  readonly #growth: Growth;
  readonly #curve: Curve;
  #server: RunningServer | undefined;
  #idle: IdleSessions | undefined;

  constructor(stage: Stage, growth: Growth, curve: Curve) {
    this.series = curve.series;
    this.#stage = stage;
    this.#growth = growth;
    this.#curve = curve;
  }

  /** The values of the rounds at a step. */
  async measure(step: number, { rounds, amount }: GrowthOptions): Promise<number[]> {
    const { id } = this.#growth;
    const server = await this.#serverFor(step);
    if (id === OPEN_SESSIONS.id && step > 0) {
      this.#idle ??= new IdleSessions(server.port);
      await this.#idle.open(step);
    }
    const workload = this.#growth.workload(step);
    const isWorkers = id === WORKERS.id;
    const generatorCore = isWorkers ? undefined : this.#stage.generatorCore;
    const subject: Subject = { name: id, server, sessions: workload.sessions, generatorCore };
    const messages = await findAmount(subject, workload, amount);
    const values: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // One generator cannot keep two workers busy.
      const runs = await Promise.all(
        Array.from({ length: isWorkers ? 2 : 1 }, () => measure(subject, workload, messages)),
      );
      const sent = runs.reduce((sum, run) => sum + run.messages, 0);
      const seconds = Math.max(...runs.map((run) => run.seconds));
      values.push(isWorkers ? sent / seconds : (runs[0]!.cpuSeconds / sent) * 1e6);
    }
    return values;
  }

  async close(): Promise<void> {
    await this.#idle?.close();
    await this.#server?.stop();
    this.#idle = undefined;
    this.#server = undefined;
  }

  async #serverFor(step: number): Promise<RunningServer> {
    if (!this.#curve.isOneServer) await this.close();
    this.#server ??= await this.#stage.startOther(
      `${this.#growth.id}-${step}`,
      (place, port) => this.#curve.launch(step, place, port),
      { isPinned: this.#growth.id !== WORKERS.id },
    );
    return this.#server;
  }
}

function launchWorkers(workers: number, place: Place, port: number): Launch {
  return launchOwn(place, { plugins: LEAN, workers }, 'plain', port);
}

/** Plugins written for this: they have hooks, and no opinion in any. */
function launchWithPlugins(count: number, place: Place, port: number): Launch {
  const plugins = join(place.folder, 'plugins');
  mkdirSync(plugins, { recursive: true });
  const api = pathToFileURL(join(place.program, 'bindings', 'plugin', 'index.js')).href;
  const hooks = ['connect', 'ehlo', 'mail', 'rcpt', 'data', 'data_post'];
  writeFileSync(
    join(plugins, 'declines.mjs'),
    `import { definePlugin } from ${JSON.stringify(api)};\n` +
      `export default definePlugin({ name: 'declines', about: 'Has hooks and no opinion.', hooks: {\n` +
      `${hooks.map((hook) => `  ${hook}() { return undefined; },`).join('\n')}\n} });\n`,
  );
  const lines = Array.from({ length: count }, (_, index) =>
    index === 0 ? 'declines' : `declines:${index + 1}`,
  );
  return launchOwn(place, { plugins: [...lines, ...LEAN], files: { plugin_dirs: plugins } }, 'plain', port);
}
