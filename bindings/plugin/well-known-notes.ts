/** The notes that cross the border between plugins, and between plugins and the host. */

import type { RejectOptions } from './definition.ts';
import { connectionNote, transactionNote } from './notes.ts';
import { pluginNames, type Config } from './config.ts';

const QUARANTINE = 'queue/quarantine';
const CUT_THROUGH = 'queue/cut-through';

/**
 * For plugins that mark messages with the note `quarantine` instead of refusing them; to be called at set-up. Throws with
 * the remedy unless `queue/quarantine` is the first `queue/` plugin: any other would deliver the marked message, and
 * `queue/cut-through` asks none.
 */
export function requireQuarantine(config: Config): void {
  const names = pluginNames(config);
  if (names.includes(CUT_THROUGH))
    throw new Error(`quarantine does not go together with ${CUT_THROUGH}: leave one of them out`);
  if (names.find((name) => name.startsWith('queue/')) !== QUARANTINE)
    throw new Error(
      `quarantine needs a line \`${QUARANTINE} OUTLET\` in plugins, in front of other queue plugins`,
    );
}

/** The client's address is on a list of welcome hosts: checks are skipped. */
export const whitelistHost = connectionNote<boolean>('whitelisthost');

/** The reverse-path is on a list of welcome senders: checks are skipped for this transaction. */
export const whitelistSender = transactionNote<boolean>('whitelistsender');

/**
 * Why the client is to be refused later: one `(PLUGIN) text` for each check that failed under `reject naughty`.
 * A successful AUTH deletes it.
 */
export const naughty = connectionNote<readonly string[]>('naughty');

/** The `reject_type` of the first check that failed under `reject naughty`, if its line named one. */
export const naughtyRejectType =
  connectionNote<NonNullable<RejectOptions['reject_type']>>('naughty_reject_type');

/**
 * Why this message is to be kept for inspection, and not delivered: a sentence. queue/quarantine takes such messages.
 */
export const quarantine = transactionNote<string>('quarantine');

/** Points earned in earlier connections from this address; set by the plugin karma. */
export const karmaHistory = connectionNote<number>('karma_history');

/** How many recipients of this transaction are on a list of welcome recipients. */
export const whitelistRecipients = transactionNote<number>('whitelistrcpt');

/** The country of the client in two letters, as far as a database knows; set by ident/geoip. */
export const geoCountry = connectionNote<string>('geoip_country');

/** What the client's packets tell of its system; set by ident/p0f. */
export const fingerprint = connectionNote<Fingerprint>('p0f');

/** Names are `''` where p0f knows none. */
export interface Fingerprint {
  /** Operating system with its version, such as `Windows 7 or 8`. */
  readonly genre: string;
  /** Kind of link, such as `Ethernet or modem`. */
  readonly link: string;
  /** Hops to the client; -1 if unknown. */
  readonly distance: number;
  /** Hours (p0f 2) or minutes (p0f 3) since the client was started; 0 if unknown. */
  readonly uptime: number;
  /** Version 2 only: more about the system. */
  readonly detail?: string;
  /** Version 3 only: the other fields of its answer, by the names of its documentation. */
  readonly fields?: Readonly<Record<string, string | number>>;
}
