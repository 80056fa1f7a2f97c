/**
 * `npm run bench:turns [-- --only TEXT]`: how long the checks of a message keep the event loop from all other sessions, while
 * the message is as costly as its sender can make it. Processor time of the thread alone, so that a busy machine does not
 * count; all rounds after those that warm the compiler up. Fails if one turn is longer than `MAX_HOLD_MS`.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeRun } from '../machine.ts';
import { RESULTS } from '../places.ts';
import { turnsOf } from './hold-probe.ts';
import { WORKS, type Work } from './works.ts';

const ROUNDS = 5;
/** Rounds for the compiler; what has many turns is warm after one. */
const WARM_UP = 10;
const MANY_TURNS = 500;
const MAX_HOLD_MS = 5;

async function measure({ name, prepare, finds }: Work) {
  const turns: number[] = [];
  const longest: number[] = [];
  let isLong = true;
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const work = prepare();
    // Of what was made for the round.
    globalThis.gc?.({ type: isLong ? 'major' : 'minor' });
    let found: unknown;
    const held = await turnsOf(async () => (found = await work()));
    if (!finds.test(String(found))) throw new Error(`${name}: ${String(found).slice(0, 500)}`);
    isLong = held.length > MANY_TURNS;
    if (round < 0) {
      if (isLong) round = -1;
      continue;
    }
    for (const turn of held) turns.push(turn);
    longest.push(held.reduce((most, turn) => Math.max(most, turn), 0));
  }
  turns.sort((a, b) => a - b);
  return {
    name,
    turns: turns.length / ROUNDS,
    p99Ms: turns[Math.floor(turns.length * 0.99)]!,
    /** The longest of each round, from the shortest to the longest. */
    longestMs: longest.sort((a, b) => a - b),
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
  const command = `npm run bench:turns${values.only === '' ? '' : ` -- --only ${values.only}`}`;
  const run = describeRun(command);
  const works = [];
  // Long works have one round to get warm, which is not enough for what they do at their beginning and end.
  for (const work of WORKS.filter(({ isShort }) => isShort))
    for (let round = 0; round < WARM_UP; round++) await work.prepare()();
  for (const work of WORKS) {
    if (!work.name.includes(values.only)) continue;
    const measured = await measure(work);
    works.push(measured);
    const most = measured.longestMs.at(-1)!;
    const longest = measured.longestMs.map((ms) => ms.toFixed(2)).join(' ');
    process.stdout.write(
      `${measured.name}: ${measured.turns} turns, p99 ${measured.p99Ms.toFixed(2)} ms, longest of each round ${longest} ms${most > MAX_HOLD_MS ? '  OUT OF BOUNDS' : ''}\n`,
    );
  }
  const isWithin = works.every(({ longestMs }) => longestMs.at(-1)! <= MAX_HOLD_MS);
  if (values.only === '') {
    const file = join(RESULTS, 'turns.json');
    mkdirSync(RESULTS, { recursive: true });
    writeFileSync(file, `${JSON.stringify({ kind: 'turns', run, isWithin, works }, undefined, 1)}\n`);
    process.stdout.write(`bench/results/${basename(file)} written\n`);
  }
  return isWithin ? 0 : 1;
}

process.exitCode = await main();
