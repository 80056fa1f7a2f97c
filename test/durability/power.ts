/** `npm run test:power -- OUTLET ROUNDS`: cuts the power of the disk again and again; exits with 1 as `test:kill` does. */

import { isDurable, printResult, runPowerRounds } from './rounds.ts';
import { OUTLETS } from './outlets.ts';
import { missingPowerDisk, PowerDisk } from './power-disk.ts';

const [name = 'maildir', rounds = '20'] = process.argv.slice(2);
const powered = OUTLETS.filter(({ isOnDisk }) => isOnDisk === true);
const outlet = powered.find((candidate) => candidate.name === name);
if (outlet === undefined || !/^[1-9]\d{0,5}$/.test(rounds)) {
  const names = powered.map((known) => known.name).join('|');
  process.stderr.write(`usage: npm run test:power -- ${names} [ROUNDS]\n`);
  process.exit(64);
}
const missing = missingPowerDisk();
if (missing !== undefined) {
  process.stderr.write(`${name}: ${missing}\n`);
  process.exit(69);
}
const disk = new PowerDisk();
try {
  const ready = await outlet.prepare(disk.path);
  try {
    const result = await runPowerRounds(ready, disk, Number(rounds));
    process.stdout.write(`${printResult(name, result)}\n`);
    if (!isDurable(result)) process.exitCode = 1;
  } finally {
    await ready.close();
  }
} finally {
  disk.remove();
}
