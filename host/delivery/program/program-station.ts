/** Where programs of one kind run: so many at once, and so many that wait. */

import type { ProgramLimits } from '../../../bindings/plugin/hand-over-services.ts';
import { Places } from './places.ts';
import { runProgram, type ProgramEnd, type ProgramOrder } from './program-run.ts';

export class ProgramStation {
  readonly #places: Places;

  constructor({ processes, waiting }: Pick<ProgramLimits, 'processes' | 'waiting'>) {
    this.#places = new Places({ places: processes, waiting });
  }

  /** Never rejects. */
  async run(order: ProgramOrder, signal: AbortSignal): Promise<ProgramEnd> {
    const place = await this.#places.take(signal);
    if (place === 'full') return { kind: 'full', problem: 'too many messages wait for it already' };
    if (place === 'given up') return { kind: 'given up', problem: 'no place within its time' };
    try {
      return await runProgram(order, signal);
    } finally {
      place();
    }
  }
}
