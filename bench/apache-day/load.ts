/** The clients of the day, in a process of their own: a sample as JSON in, what happened out. */

import { runLoad } from '../load/run-load.ts';
import { visitsOf, type ClientOutcome, type Mix } from './mix.ts';

/** What the process is told. */
export interface DaySample {
  readonly port: number;
  readonly sessions: number;
  readonly attempts: number;
  readonly seed: number;
  readonly offersTls: boolean;
  readonly mix: Mix;
}

const sample = JSON.parse(process.argv[2] ?? '{}') as DaySample;
const outcomes: Partial<Record<ClientOutcome, number>> = {};
const count = (outcome: ClientOutcome): void => void (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1);
const visits = visitsOf(sample.mix, sample.attempts, { ...sample, count });
const outcome = await runLoad(sample.port, sample.sessions, visits);
process.stdout.write(`${JSON.stringify({ ...outcome, outcomes })}\n`);
