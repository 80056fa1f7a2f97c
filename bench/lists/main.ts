/**
 * `npm run bench:lists`: what lists cost. Those in files: a million entries of each format, read while the event loop is watched, then
 * asked. Those in the DNS: 50 of them for 200 sessions at a time; then mail while the DNS is dead. Fails if a bound is exceeded.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeRun } from '../machine.ts';
import { RESULTS } from '../places.ts';
import { measureDeadDns, type DeadDnsResult } from './dead-dns.ts';
import { judgeDnsLists, measureDnsLists, type DnsListResult } from './dns-lists.ts';
import { measureLocalLists, type LocalListResult } from './local-lists.ts';

const NAME = 'lists';
const ROUNDS = 12;

/** Shows what was promised and what is; true if all of it is kept. */
function showDns(result: DnsListResult): boolean {
  const verdicts = judgeDnsLists(result);
  for (const { isKept, measured, promise } of verdicts)
    process.stdout.write(`${isKept ? 'kept  ' : 'MISSED'}  ${promise}: ${measured}\n`);
  return verdicts.every(({ isKept }) => isKept);
}

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

function showDead({ isWithin, max, messages, p50, p95, questions, refused, timeoutMs }: DeadDnsResult): void {
  const times = [p50, p95, max].map((ms) => (ms / 1_000).toFixed(2)).join(', ');
  process.stdout.write(
    `dead DNS, time-out ${timeoutMs / 1_000} s: ${messages} messages delivered, ${refused} refused; p50, p95, most: ${times} s; ${questions} questions${isWithin ? '' : '  OUT OF BOUNDS'}\n`,
  );
}

async function main(): Promise<number> {
  const run = describeRun('npm run bench:lists');
  const local = await measureLocalLists(show);
  const dns = await measureDnsLists(ROUNDS);
  const areDnsListsCheap = showDns(dns);
  const dead = await measureDeadDns();
  showDead(dead);
  const isWithin = areDnsListsCheap && dead.isWithin && local.every((result) => result.isWithin);
  mkdirSync(RESULTS, { recursive: true });
  const results = { kind: NAME, run, isWithin, local, dns, dead };
  writeFileSync(join(RESULTS, `${NAME}.json`), `${JSON.stringify(results, undefined, 1)}\n`);
  process.stdout.write(`bench/results/${NAME}.json written\n`);
  return isWithin ? 0 : 1;
}

process.exitCode = await main();
