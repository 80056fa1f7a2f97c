/**
 * `npm run bench:lists`: what lists cost. Those in files: a million entries of each format, read while the event loop is watched, then
 * asked. Fails if a bound is exceeded.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeRun } from '../machine.ts';
import { RESULTS } from '../places.ts';
import { measureLocalLists, type LocalListResult } from './local-lists.ts';

const NAME = 'lists';

function show({
  busyMs,
  isWithin,
  listedPart,
  memoryMb,
  name,
  nsPerQuestion,
  pauseMs,
  readMs,
}: LocalListResult): void {
  const { max, median, min } = nsPerQuestion;
  const part = `${Math.round(listedPart * 100)} % listed`;
  const question = `${median.toFixed(0)} ns a question (${min.toFixed(0)} to ${max.toFixed(0)}, ${part})`;
  const reading = `read in ${Math.round(readMs)} ms, ${busyMs?.toFixed(1) ?? '?'} ms of the main thread, longest pause ${pauseMs.toFixed(1)} ms`;
  process.stdout.write(
    `${name.padEnd(18)} ${question}; ${memoryMb.toFixed(1)} MB; ${reading}${isWithin ? '' : '  OUT OF BOUNDS'}\n`,
  );
}

async function main(): Promise<number> {
  const run = describeRun('npm run bench:lists');
  const local = await measureLocalLists(show);
  const isWithin = local.every((result) => result.isWithin);
  mkdirSync(RESULTS, { recursive: true });
  const results = { kind: NAME, run, isWithin, local };
  writeFileSync(join(RESULTS, `${NAME}.json`), `${JSON.stringify(results, undefined, 1)}\n`);
  process.stdout.write(`bench/results/${NAME}.json written\n`);
  return isWithin ? 0 : 1;
}

process.exitCode = await main();
