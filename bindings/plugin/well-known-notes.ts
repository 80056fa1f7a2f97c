/** The notes that cross the border between plugins, and between plugins and the host. */

import type { RejectOptions } from './definition.ts';
import { connectionNote, transactionNote } from './notes.ts';

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
