/** Where programs of one kind run: so many at once, and so many that wait. */

import type { ProgramEnd, ProgramOrder, Programs } from '../../../bindings/plugin/index.ts';
import { Semaphore, SemaphoreFullError } from '../../../bindings/timing/semaphore.ts';
import type { ProgramLimits } from './program-options.ts';

export class ProgramStation {
  readonly #programs: Programs;
  readonly #permits: Semaphore;

  constructor(programs: Programs, { processes, waiting }: Pick<ProgramLimits, 'processes' | 'waiting'>) {
    this.#programs = programs;
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
      return await this.#programs.feed(order, signal);
    } finally {
      giveBack();
    }
  }
}
