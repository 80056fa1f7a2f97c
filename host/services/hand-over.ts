/** The outlets that hand messages over to the mail system of this host. */

import type {
  CleanupOptions,
  HandOver,
  PipeOptions,
  ProgramOutletOptions,
  QmqpOptions,
} from '../../bindings/plugin/hand-over-services.ts';
import type { Outlet } from '../../bindings/plugin/delivery.ts';
import type { Log } from '../../bindings/plugin/log-level.ts';
import type { HandOverSystem } from '../delivery/program/program-station.ts';
import { BsmtpOutlet } from '../delivery/exim/bsmtp-outlet.ts';
import { PipeOutlet } from '../delivery/pipe/pipe-outlet.ts';
import { CleanupOutlet } from '../delivery/postfix/cleanup-outlet.ts';
import { QmailQueueOutlet } from '../delivery/qmail/qmail-queue-outlet.ts';
import { QmqpOutlet } from '../delivery/qmqp/qmqp-outlet.ts';

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
