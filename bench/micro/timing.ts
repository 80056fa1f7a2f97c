/** Times contestants with benchmark.js, in rounds that begin with another one each time. */

import Benchmark from 'benchmark';
import { rotate, spreadOf, type Spread } from '../statistics.ts';

/** A named call; what it returns is added up, so that no engine may leave the work out. */
export interface TimedCall {
  readonly name: string;
  readonly call: () => number;
}

export interface TimingOptions {
  readonly rounds: number;
  /** Longest time for one call in one round, in seconds. */
  readonly seconds: number;
}

let sum = 0;

/** The sum of all that was returned: reading it keeps the work alive. */
export const workDone = (): number => sum;

/** Nanoseconds a call, by name: the mean of benchmark.js of each round, spread over the rounds. */
export function timeCalls(
  calls: readonly TimedCall[],
  { rounds, seconds }: TimingOptions,
): ReadonlyMap<string, Spread> {
  const means = new Map<string, number[]>(calls.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, call } of rotate(calls, round)) means.get(name)!.push(timeCall(call, seconds));
  }
  return new Map([...means].map(([name, values]) => [name, spreadOf(values)]));
}

function timeCall(call: () => number, seconds: number): number {
  const benchmark = new Benchmark(
    () => {
      sum = (sum + call()) | 0;
    },
    { maxTime: seconds, minTime: Math.min(0.05, seconds / 5), minSamples: 5 },
  );
  benchmark.run({ async: false });
  const failure = (benchmark as unknown as { readonly error?: unknown }).error;
  if (failure !== undefined) throw failure;
  return benchmark.stats.mean * 1e9;
}
