/** `npm run test:restarts -- [WAY [WORKERS [ROUNDS]]]`: restarts under the hammer; exits with 1 if anything was lost. */

import { printTrial, WAYS } from './ways.ts';

const [way = '', workers = '', rounds = '5'] = process.argv.slice(2);
const names = way === '' ? [...WAYS.keys()] : [way];
const counts = workers === '' ? [1, 2] : [Number(workers)];
if (names.some((name) => !WAYS.has(name)) || !/^\d{1,4}$/.test(rounds) || !counts.every((n) => n > 0)) {
  process.stderr.write(
    `usage: npm run test:restarts -- [${[...WAYS.keys()].join('|')} [WORKERS [ROUNDS]]]\n`,
  );
  process.exit(64);
}
for (const name of names) {
  for (const serving of counts) {
    const options = { workers: serving, rounds: Number(rounds), sessions: 200, graceSeconds: 5 };
    const trial = await WAYS.get(name)!(options);
    process.stdout.write(`${printTrial(name, serving, trial)}\n`);
    if (trial.result.lost.length + trial.missing.length > 0) process.exitCode = 1;
  }
}
