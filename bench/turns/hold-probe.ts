/** How long one thread keeps the event loop from everybody else: processor time of the thread between two turns of its loop. */

import { openSync, readSync } from 'node:fs';

/** Run time of the calling thread in nanoseconds, then its waits for a processor: `proc_pid_schedstat(5)`, Linux alone. */
const SCHEDULING = '/proc/thread-self/schedstat';

/** Milliseconds that the calling thread has run. Other programs on the machine do not count, nor other threads of this one. */
function openThreadClock(): () => number {
  let file: number;
  try {
    file = openSync(SCHEDULING, 'r');
  } catch {
    return () => performance.now();
  }
  const text = Buffer.alloc(64);
  return () => {
    // The kernel brings the figure up to date when somebody asks for the processor time of the process.
    process.cpuUsage();
    return Number(text.latin1Slice(0, readSync(file, text, 0, text.length, 0)).split(' ', 1)[0]) / 1e6;
  };
}

const threadClock = openThreadClock();

/** Runs the work; gives the length of each turn of the loop until it is over, in milliseconds. */
export async function turnsOf(work: () => Promise<unknown>): Promise<readonly number[]> {
  const turns: number[] = [];
  let isOver = false;
  let begun = threadClock();
  // Callbacks of `setImmediate` run once in a turn, whoever asks for them.
  const count = (): void => {
    const now = threadClock();
    turns.push(now - begun);
    begun = threadClock();
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  // Not in the turn that has made the work ready.
  await new Promise((resolve) => setImmediate(resolve));
  await work();
  isOver = true;
  await new Promise((resolve) => setImmediate(resolve));
  return turns;
}
