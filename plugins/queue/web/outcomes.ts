/** What can become of a message at a service that is no SMTP server, and how SMTP says it. RFC 3463. */

import type { RecipientOutcome } from '../../../bindings/plugin/index.ts';

type Row = readonly [kind: RecipientOutcome['kind'], code: number, status: string, text: string];

const SITUATIONS = {
  accepted: ['delivered', 250, '2.0.0', 'Queued!'],
  unreachable: ['deferred', 451, '4.4.1', 'The next hop can not be reached'],
  broken: ['deferred', 451, '4.4.2', 'The connection to the next hop broke'],
  late: ['deferred', 451, '4.4.2', 'The next hop did not answer in time'],
  stopped: ['deferred', 451, '4.3.2', 'The delivery was stopped'],
  busy: ['deferred', 451, '4.3.2', 'The next hop takes no messages at the moment'],
  failed: ['deferred', 451, '4.3.0', 'The next hop failed'],
  /** Fault of the operator, who can mend it before the sender gives up: the message is not to blame. */
  misconfigured: ['deferred', 451, '4.3.5', 'The way to the next hop is not set up correctly'],
  unreadable: ['deferred', 451, '4.3.0', 'The message could not be read'],
  noRouteYet: ['deferred', 451, '4.4.4', 'There is no route for the message yet'],
  noRoute: ['refused', 550, '5.4.4', 'There is no route for the message'],
  refused: ['refused', 554, '5.3.0', 'The next hop refused the message'],
  forbidden: ['refused', 550, '5.7.1', 'The next hop does not want the message'],
  tooBig: ['refused', 552, '5.3.4', 'The message is too big for the next hop'],
  unparsable: ['refused', 554, '5.6.0', 'The message is not made up as the next hop needs it'],
  badAddress: ['refused', 553, '5.1.3', 'The address can not be handed to the next hop'],
  /** RFC 8689 section 4.2.1. */
  requireTls: ['refused', 550, '5.7.30', 'REQUIRETLS support required'],
} as const satisfies Record<string, Row>;

export type Situation = keyof typeof SITUATIONS;

/** The outcome for one recipient; `detail` is printable and comes after the text. */
export function outcomeOf(situation: Situation, hop: string | undefined, detail?: string): RecipientOutcome {
  const [kind, code, status, text] = SITUATIONS[situation];
  const line = detail === undefined ? text : `${text} ${detail}`;
  return { kind, reply: { code, status, lines: [line] }, hop };
}

/** Text of another host for a reply or the log: printable ASCII, at most `max` characters. */
export const printable = (text: string, max: number): string =>
  text
    .replace(/[^ -~]+/g, ' ')
    .trim()
    .slice(0, max);
