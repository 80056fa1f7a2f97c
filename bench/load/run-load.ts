/** Makes visits, a number of them at a time, and says what came of it. */

import type { Visit } from './exchange.ts';
import { Ledger, LoadSession } from './session.ts';

/** What a run came to. */
export interface LoadOutcome {
  readonly accepted: number;
  readonly refused: number;
  readonly cutShort: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly replies: Readonly<Record<string, number>>;
  /** The first thing that went wrong. */
  readonly problem?: string;
}

/** `visits` is asked for the next one until it has none; `sessions` run at a time. */
export function runLoad(port: number, sessions: number, visits: Iterator<Visit>): Promise<LoadOutcome> {
  const ledger = new Ledger();
  const begunAt = performance.now();
  return new Promise((resolve) => {
    let running = 0;
    const open = (): void => {
      const { value, done } = visits.next();
      if (done === true) {
        if (running === 0) resolve(outcomeOf(ledger, (performance.now() - begunAt) / 1_000));
        return;
      }
      running++;
      new LoadSession(port, value, ledger, () => {
        running--;
        open();
      });
    };
    for (let index = 0; index < sessions; index++) open();
  });
}

function outcomeOf(ledger: Ledger, seconds: number): LoadOutcome {
  const { accepted, refused, cutShort, problem } = ledger;
  const sorted = ledger.latenciesMs.sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    accepted,
    refused,
    cutShort,
    seconds,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    replies: Object.fromEntries(ledger.replies),
    ...(problem === undefined ? {} : { problem }),
  };
}
