/** Where programs of one kind run: so many at once, and so many that wait. */

import { Semaphore, SemaphoreFullError } from '../../../bindings/timing/semaphore.ts';
import type { ProgramLimits } from '../../../bindings/plugin/hand-over-services.ts';
import { runProgram, type ProgramEnd, type ProgramOrder } from './program-run.ts';
import type { Clock } from '../../../bindings/plugin/services.ts';

/** What the outlets need of the system. */
export interface HandOverSystem {
  readonly clock: Clock;
  /** The daemon's own: programs that are part of a mail system are configured through it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The name of this host, for HELO. */
  readonly host: string;
}

export class ProgramStation {
  readonly #permits: Semaphore;

  constructor({ processes, waiting }: Pick<ProgramLimits, 'processes' | 'waiting'>) {
    this.#permits = new Semaphore({ permits: processes, maxWaiting: waiting });
  }

  /** Never rejects. */
  async run(order: ProgramOrder, signal: AbortSignal): Promise<ProgramEnd> {
    let giveBack: () => void;
    try {
      giveBack = await this.#permits.take(signal);
    } catch (cause) {
      return cause instanceof SemaphoreFullError
        ? { kind: 'full', problem: 'too many messages wait for it already' }
        : { kind: 'given up', problem: 'no place within its time' };
    }
    try {
      return await runProgram(order, signal);
    } finally {
      giveBack();
    }
  }
}
