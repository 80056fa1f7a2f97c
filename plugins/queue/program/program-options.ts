/** Options of queue plugins that hand messages over to programs. */

import { wholeNumber, z } from '../../../bindings/plugin/index.ts';

/** What programs may take of this host. The limits hold for each process of the daemon. */
export interface ProgramLimits {
  /** From the end of data to the last program's exit, the wait for a place included. */
  readonly timeoutMs: number;
  /** Programs that run at once. */
  readonly processes: number;
  /** Messages that wait for one of them to end; more are deferred at once. */
  readonly waiting: number;
}

export interface ProgramOutletOptions extends ProgramLimits {
  /** Absolute path. */
  readonly program: string;
}

/** The path of a program: absolute, so that no directory of PATH has a say in what runs. */
export const programPath = () =>
  z.string().regex(/^\/[\w./+-]*[\w+-]$/, 'must be an absolute path of letters, digits and _ . / + -');

/** 280 seconds at most: the server waits 300 for a queue plugin, unless its `timeout` says more. */
const MAX_SECONDS = 280;

/** How many seconds an outlet may take for a message. */
export const outletSeconds = (usual: number) => wholeNumber(1, MAX_SECONDS).default(usual);

export const programOptions = z.object({
  /** Seconds from the end of data to the last program's exit. */
  program_timeout: outletSeconds(120),
  /** Programs that run at once, in each process of the daemon. */
  processes: wholeNumber(1, 1_000).default(20),
  /** Messages that may wait for one of them to end. */
  waiting: wholeNumber(0, 10_000).default(100),
});

export const limitsOf = (options: z.output<typeof programOptions>): ProgramLimits => ({
  timeoutMs: options.program_timeout * 1_000,
  processes: options.processes,
  waiting: options.waiting,
});
