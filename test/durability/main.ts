/** `npm run test:kill -- OUTLET ROUNDS`: kills the daemon again and again; exits with 1 if an acknowledged message is gone, or none was acknowledged. */

import { isDurable, printResult, runKillRounds } from './rounds.ts';
import { OUTLETS } from './outlets.ts';

const [name = 'maildir', rounds = '100'] = process.argv.slice(2);
const outlet = OUTLETS.find((candidate) => candidate.name === name);
if (outlet === undefined || !/^\d{1,6}$/.test(rounds)) {
  process.stderr.write(
    `usage: npm run test:kill -- ${OUTLETS.map((known) => known.name).join('|')} [ROUNDS]\n`,
  );
  process.exit(64);
}
const missing = outlet.missing();
if (missing !== undefined) {
  process.stderr.write(`${name}: ${missing}\n`);
  process.exit(69);
}
const ready = await outlet.prepare();
try {
  const result = await runKillRounds(ready, Number(rounds));
  process.stdout.write(`${printResult(name, result)}\n`);
  if (!isDurable(result)) process.exitCode = 1;
} finally {
  await ready.close();
}
