/**
 * 250 means durable: the daemon, and what is behind it, are killed again and again while clients send, and no acknowledged
 * message is missing. `npm run test:kill` does the same for as long as one likes.
 */

import { expect, test } from 'vitest';
import { printResult, runKillRounds } from '../durability/rounds.ts';
import { OUTLETS } from '../durability/outlets.ts';
import { RunningDaemon } from './daemon.ts';
import { describeWithReceiver } from './receivers/described.ts';

/** The Maildir is what everything else leans on. */
const ROUNDS: Readonly<Record<string, number>> = { maildir: 50 };
const SHORT = 5;

for (const { name, missing, prepare } of OUTLETS) {
  const rounds = ROUNDS[name] ?? SHORT;
  describeWithReceiver(name, missing())(`kill -9 with ${name}`, () => {
    test(`${rounds} rounds lose no acknowledged message and damage none`, async () => {
      const outlet = await prepare();
      try {
        const result = await runKillRounds(outlet, rounds);
        process.stdout.write(`${printResult(name, result)}\n`);
        expect(result.acknowledged).toBeGreaterThan(0);
        expect(result.emptyRounds).toBe(0);
        expect(result.lost).toEqual([]);
        expect(result.damaged).toBe(0);
        const daemon = await RunningDaemon.start(outlet.workplace);
        await daemon.end();
        expect(outlet.workplace.spooled(), 'the next start clears what the dead left').toEqual([]);
      } finally {
        await outlet.close();
      }
    }, 300_000);
  });
}
