/** The outlets that hand messages over to the mail system of this host. */

import type {
  CleanupOptions,
  HandOver,
  PipeOptions,
  ProgramOutletOptions,
  QmqpOptions,
} from '../../../bindings/plugin/hand-over-services.ts';
import type { Outlet } from '../../../bindings/plugin/delivery.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import type { Clock } from '../../../bindings/plugin/services.ts';
import { BsmtpOutlet } from '../exim/bsmtp-outlet.ts';
import { PipeOutlet } from '../pipe/pipe-outlet.ts';
import { CleanupOutlet } from '../postfix/cleanup-outlet.ts';
import { QmailQueueOutlet } from '../qmail/qmail-queue-outlet.ts';
import { QmqpOutlet } from '../qmqp/qmqp-outlet.ts';

/** What the outlets need of the system. */
export interface HandOverSystem {
  readonly clock: Clock;
  /** The daemon's own: programs that are part of a mail system are configured through it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The name of this host, for HELO. */
  readonly host: string;
}

export class LocalHandOver implements HandOver {
  readonly #system: HandOverSystem;

  constructor(system: HandOverSystem) {
    this.#system = system;
  }

  qmailQueue(options: ProgramOutletOptions, log: Log): Outlet {
    return new QmailQueueOutlet(options, this.#system, log);
  }

  bsmtp(options: ProgramOutletOptions, log: Log): Outlet {
    return new BsmtpOutlet(options, this.#system, log);
  }

  cleanup(options: CleanupOptions, log: Log): Outlet {
    return new CleanupOutlet(options, this.#system, log);
  }

  qmqp(options: QmqpOptions, log: Log): Outlet {
    return new QmqpOutlet(options, log);
  }

  pipe(options: PipeOptions, log: Log): Outlet {
    return new PipeOutlet(options, log);
  }
}
