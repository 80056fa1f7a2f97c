/** Limits how many programs of one kind run at once, and how many wait. */

import type {
  DeliveryReport,
  MailObject,
  ProgramEnd,
  ProgramOrder,
  RecipientOutcome,
  Services,
} from '../../../bindings/plugin/index.ts';
import { Semaphore, SemaphoreFullError } from '../../../bindings/timing/semaphore.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import { forAll } from '../kit/outcome.ts';
import { unfitFor } from '../kit/safe-envelope.ts';
import type { ProgramLimits, ProgramOutletOptions } from './program-options.ts';

export class ProgramLimiter {
  readonly #programs: Services['programs'];
  readonly #permits: Semaphore;

  constructor(
    programs: Services['programs'],
    { processes, waiting }: Pick<ProgramLimits, 'processes' | 'waiting'>,
  ) {
    this.#programs = programs;
    this.#permits = new Semaphore({ permits: processes, maxWaiting: waiting });
  }

  /**
   * One run for the whole mail object; `outcomeOf` says what its end means for all recipients. What no program may be handed is
   * refused before `orderOf` is asked. Never rejects.
   */
  async deliver(
    mail: MailObject,
    { program, timeoutMs }: ProgramOutletOptions,
    signal: AbortSignal | undefined,
    orderOf: () => ProgramOrder,
    outcomeOf: (end: ProgramEnd) => RecipientOutcome,
  ): Promise<DeliveryReport> {
    const unfit = unfitFor(program, mail);
    if (unfit !== undefined) return unfit;
    const end = await withDeadline(timeoutMs, signal, (until) => this.run(orderOf(), until));
    return forAll(mail, outcomeOf(end));
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
