/**
 * 250 means durable, also where the power fails: what was not flushed is gone from the disk, and no acknowledged message with
 * it. `npm run test:power` does the same for as long as one likes.
 */

import { expect, test } from 'vitest';
import { OUTLETS } from '../durability/outlets.ts';
import { missingPowerDisk, PowerDisk } from '../durability/power-disk.ts';
import { printResult, runPowerRounds } from '../durability/rounds.ts';
import { describeWithReceiver } from './receivers/described.ts';

const ROUNDS = 2;

for (const { name, prepare, isOnDisk = false } of OUTLETS) {
  if (!isOnDisk) continue;
  describeWithReceiver(`a power cut under ${name}`, missingPowerDisk())(`a power cut under ${name}`, () => {
    test(`${ROUNDS} rounds lose no acknowledged message and damage none`, async () => {
      const disk = new PowerDisk();
      try {
        const outlet = await prepare(disk.path);
        try {
          const result = await runPowerRounds(outlet, disk, ROUNDS);
          process.stdout.write(`${printResult(name, result)}\n`);
          expect(result).toMatchObject({ emptyRounds: 0, lost: [], damaged: 0 });
          expect(result.acknowledged).toBeGreaterThan(0);
        } finally {
          await outlet.close();
        }
      } finally {
        disk.remove();
      }
    }, 300_000);
  });
}
