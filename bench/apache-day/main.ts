/** `npm run bench:apache-day`: how long this machine needs for a day of apache.org. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LoadOutcome } from '../load/run-load.ts';
import { describeRun } from '../machine.ts';
import { launchOwn, QPSMTPD, samplePlugins } from '../peers/qpsmtpd.ts';
import { COMPILED } from '../places.ts';
import { resultsFile, writeResults, type DayResults } from '../results.ts';
import { settledCpuSeconds } from '../server/measure.ts';
import { cpuSecondsOf } from '../server/process-tree.ts';
import { killServers, type RunningServer } from '../server/running-server.ts';
import { Stage } from '../server/stage.ts';
import { extrapolate, showDay } from './account.ts';
import type { DaySample } from './load.ts';
import { LISTED_SENDER, type ClientOutcome } from './mix.ts';
import { DAY_USAGE, parseDayOptions, type DayOptions } from './options.ts';
import { writeRefusingPlugin } from './refusing-plugin.ts';

const execute = promisify(execFile);
const print = (text: string): void => void process.stdout.write(`${text}\n`);
/** Part of the sample that goes first, uncounted. */
const WARM_UP = 0.1;

/** What the clients report. */
type DayOutcome = LoadOutcome & { readonly outcomes: Readonly<Partial<Record<ClientOutcome, number>>> };

async function main(args: readonly string[]): Promise<void> {
  const options = parseDayOptions(args);
  if (options.help) return print(DAY_USAGE);
  const run = describeRun(
    ['npm run bench:apache-day', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
  );
  // Everything runs everywhere, as it would: the day is about this machine, not about a core of it.
  const stage = new Stage({ ...options, isPinned: false });
  try {
    await stage.prepare(QPSMTPD);
    const missing = stage.participants[0]?.missing;
    if (missing !== undefined) throw new Error(missing);
    // First, as block lists are: a client they list costs nothing more.
    const plugins = ['day_refusals', ...samplePlugins()];
    const server = await stage.startOther('apache-day', (place, port) =>
      launchOwn(
        place,
        {
          plugins,
          workers: options.workers,
          files: {
            plugin_dirs: writeRefusingPlugin(place.folder, place.program),
            badmailfrom: LISTED_SENDER,
          },
        },
        'plain',
        port,
      ),
    );
    const results: DayResults = { kind: 'apache-day', run, plugins, ...(await playSample(server, options)) };
    await server.stop();
    print(showDay(results));
    const file = options.json ?? resultsFile('apache-day', options.isQuick);
    writeResults(file, results);
    print(`\nwritten to ${file}`);
  } finally {
    await stage.close();
  }
}

async function playSample(
  server: RunningServer,
  { mix, attempts, sessions, workers, dayMessages }: DayOptions,
): Promise<Omit<DayResults, 'kind' | 'run' | 'plugins'>> {
  const offersTls = server.extensions.has('STARTTLS');
  const sample = { port: server.port, sessions, mix, offersTls };
  await playDay({ ...sample, attempts: Math.ceil(attempts * WARM_UP), seed: 2 });
  const before = cpuSecondsOf(server.pid);
  const outcome = await playDay({ ...sample, attempts, seed: 1 });
  const cpuSeconds = (await settledCpuSeconds(server.pid)) - before;
  return {
    dayMessages,
    parameters: { ...mix, tlsShare: offersTls ? mix.tlsShare : 0 },
    sessions,
    workers,
    outcomes: outcome.outcomes as Record<string, number>,
    attempts,
    seconds: outcome.seconds,
    cpuSeconds,
    ...extrapolate({ attempts, dayMessages, seconds: outcome.seconds, cpuSeconds }),
  };
}

/** Throws if the server did not accept exactly what the sample holds to be accepted. */
async function playDay(sample: DaySample): Promise<DayOutcome> {
  const args = [join(COMPILED, 'apache-day', 'load.js'), JSON.stringify(sample)];
  const { stdout } = await execute(process.execPath, args);
  const outcome = JSON.parse(stdout) as DayOutcome;
  const wanted = outcome.outcomes.accepted ?? 0;
  if (outcome.accepted !== wanted) {
    const why = outcome.problem ?? `replies ${JSON.stringify(outcome.replies)}`;
    throw new Error(`${outcome.accepted} messages were accepted where the sample holds ${wanted}: ${why}`);
  }
  return outcome;
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  killServers();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
