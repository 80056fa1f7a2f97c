/** The spool's answers to a message that is handed to it. */

import type { RecipientOutcome } from '../../bindings/plugin/delivery.ts';

const outcome = (
  kind: RecipientOutcome['kind'],
  code: number,
  status: string,
  line: string,
): RecipientOutcome => ({
  kind,
  reply: { code, status, lines: [line] },
  hop: undefined,
  isReportedByHop: true,
});

export const spoolReplies = {
  stored: (id: string): RecipientOutcome => outcome('delivered', 250, '2.0.0', `Queued as ${id}`),
  /** RFC 5321 section 4.2.3; RFC 3463: X.3.1, mail system full. */
  full: outcome('deferred', 452, '4.3.1', 'Insufficient system storage, try again later'),
  failed: outcome('deferred', 451, '4.3.0', 'The message could not be stored, try again later'),
} as const;
