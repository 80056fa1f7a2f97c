/** The services plugins receive in their context, over the real system. */

import type { Clock, Services } from '../../bindings/plugin/services.ts';
import { MaildirDeliveries } from '../delivery/maildir/maildir-deliveries.ts';
import { UniqueNames } from '../delivery/maildir/unique-name.ts';
import { programs } from './programs.ts';

export const systemClock: Clock = { now: () => Date.now() };

/** `host` goes into the names of Maildir files. */
export function makeServices(host: string, writeError: (line: string) => void): Services {
  return {
    clock: systemClock,
    random: () => Math.random(),
    programs,
    maildirs: new MaildirDeliveries(new UniqueNames({ clock: systemClock, pid: process.pid, host })),
    processId: process.pid,
    writeError,
  };
}
