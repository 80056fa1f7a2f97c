/**
 * `npm run bench:growth`: whether something a peer chose costs more than its length. Each reader gets a text, and one four times as
 * long: four times the time is linear, sixteen times is the square. Exits with 1 if one grows by more than eight, and does so
 * again from the longer text to one four times as long as that: the garbage collector alone can do it once.
 */

import { WORKLOADS, type Workload } from './workloads.ts';

const SIZE = 50_000;
const TIMES = 4;
const MAX_GROWTH = 8;
/** Runs of each length, of which the fastest counts: others use this machine too. */
const RUNS = 5;
/** What takes less says nothing about growth, and is no harm at this length. */
const MIN_MS = 5;

function fastest({ text, read }: Workload, size: number): number {
  const given = text(size);
  let least = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    read(given);
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** How much more the text takes that is four times as long; 0 if it takes next to nothing. */
function growth(workload: Workload, size: number): number {
  const long = fastest(workload, size * TIMES);
  return long < MIN_MS ? 0 : long / fastest(workload, size);
}

function main(): void {
  let steep = 0;
  for (const workload of WORKLOADS) {
    const first = growth(workload, SIZE);
    if (first <= MAX_GROWTH) continue;
    const second = growth(workload, SIZE * TIMES);
    if (second <= MAX_GROWTH) continue;
    steep++;
    const times = `${first.toFixed(1)} and ${second.toFixed(1)} times the time`;
    process.stdout.write(`${workload.name}: ${times} for ${TIMES} times the text\n`);
  }
  process.stdout.write(`${WORKLOADS.length} readers and texts, ${steep} that grow faster than their texts\n`);
  process.exitCode = steep === 0 ? 0 : 1;
}

main();
