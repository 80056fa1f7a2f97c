/** From the sample to the day. */

import type { DayResults } from '../results.ts';
import { showNumber } from '../statistics.ts';
import { printTable } from '../text-table.ts';
import { OUTCOMES } from './mix.ts';

/** The day in proportion to the sample: nothing in it depends on what came before, so a longer one costs as much more. */
export function extrapolate({
  attempts,
  dayMessages,
  seconds,
  cpuSeconds,
}: Pick<DayResults, 'attempts' | 'dayMessages' | 'seconds' | 'cpuSeconds'>): Pick<
  DayResults,
  'daySeconds' | 'dayCpuSeconds'
> {
  const times = dayMessages / attempts;
  return { daySeconds: seconds * times, dayCpuSeconds: cpuSeconds * times };
}

/** `1 h 23 min`, or seconds below two minutes. */
export function showDuration(seconds: number): string {
  if (seconds < 120) return `${showNumber(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60
    ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

const OUTCOME_TEXTS: Readonly<Record<string, string>> = {
  connect: 'refused at connect',
  hello: 'refused at HELO',
  mail: 'refused at MAIL',
  rcpt: 'refused at RCPT',
  data: 'refused after DATA',
  accepted: 'accepted',
};

export const outcomeRows = ({ outcomes, attempts }: DayResults): string[][] =>
  OUTCOMES.map((outcome) => {
    const count = outcomes[outcome] ?? 0;
    return [OUTCOME_TEXTS[outcome]!, showNumber(count), `${((count / attempts) * 100).toFixed(1)} %`];
  });

/** The sentences and the table that a run prints. */
export function showDay(results: DayResults): string {
  const { dayMessages, attempts, seconds, cpuSeconds, daySeconds, dayCpuSeconds, workers, sessions } =
    results;
  const share = (dayCpuSeconds / 86_400) * 100;
  return [
    printTable(['', 'attempts', 'share'], outcomeRows(results)),
    '',
    `${showNumber(attempts)} attempts from ${sessions} clients at a time to ${workers} worker(s): ${showNumber(seconds)} s, ` +
      `${showNumber((cpuSeconds / attempts) * 1e6)} us of the server's processor time each`,
    `extrapolated to ${showNumber(dayMessages)}: ${showDuration(daySeconds)} with the clients on the same machine, ` +
      `${showDuration(dayCpuSeconds)} of processor time, ${share.toFixed(1)} % of one core over the day`,
  ].join('\n');
}
