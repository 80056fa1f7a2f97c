/**
 * One mail object over several outlets.
 *
 * A client gets one reply for all recipients (RFC 5321 section 4.2.5), and no outlet can take a message back. So for a
 * mail object that nobody keeps track of, outlets are asked one after the other, and the first that leaves somebody out ends it:
 * if none before it has delivered, nobody has the message, and the reply is honest. Otherwise those left out go to the outlet
 * for leftovers, which has to be one that hardly ever fails (a spool, a Maildir). Without one, or if that fails too, the client hears of
 * those left out, and when it tries again the others get the message twice: that is logged, and better than losing it.
 */

import type {
  DeliveryReport,
  Log,
  MailObject,
  Outlet,
  RecipientOutcome,
} from '../../../bindings/plugin/index.ts';

/** Recipients, by their places in the mail object, that go to one outlet. */
export interface Consignment {
  readonly outlet: Outlet;
  readonly indexes: readonly number[];
}

export interface SplitOptions {
  /** In the order in which they are asked; together they hold every recipient once. */
  readonly consignments: readonly Consignment[];
  readonly leftovers?: Outlet | undefined;
  readonly log: Pick<Log, 'warn'>;
}

/** Delivers and puts the reports together, in the order of the mail object's recipients. Never rejects if no outlet does. */
export async function deliverSplit(
  mail: MailObject,
  options: SplitOptions,
  signal?: AbortSignal,
): Promise<DeliveryReport> {
  const { consignments } = options;
  const outcomes = new Array<RecipientOutcome | undefined>(mail.recipients.length).fill(undefined);
  const deliver = async ({ outlet, indexes }: Consignment): Promise<DeliveryReport> => {
    const recipients = indexes.map((index) => mail.recipients[index]!);
    const report = await outlet.deliver({ ...mail, recipients }, signal);
    indexes.forEach((index, place) => (outcomes[index] = report[place]));
    return report;
  };
  if (mail.isTrackedByRecipient === true) {
    await Promise.all(consignments.map(deliver));
    return outcomes.map((outcome) => outcome ?? NOT_REPORTED);
  }
  for (const consignment of consignments) {
    const failure = (await deliver(consignment)).find(({ kind }) => kind !== 'delivered');
    if (failure === undefined) continue;
    await settleRest(mail, outcomes, failure, options, signal);
    break;
  }
  return outcomes.map((outcome) => outcome ?? NOT_REPORTED);
}

/** The outcomes of recipients that do not have the message after `failure`. */
async function settleRest(
  mail: MailObject,
  outcomes: (RecipientOutcome | undefined)[],
  failure: RecipientOutcome,
  { leftovers, log }: SplitOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const left = [...outcomes.keys()].filter((index) => outcomes[index]?.kind !== 'delivered');
  const delivered = outcomes.length - left.length;
  if (delivered > 0 && leftovers !== undefined) {
    const recipients = left.map((index) => mail.recipients[index]!);
    const report = await leftovers.deliver({ ...mail, recipients }, signal);
    left.forEach((index, place) => (outcomes[index] = report[place]));
    if (report.every(({ kind }) => kind === 'delivered')) return;
  }
  for (const index of left) outcomes[index] ??= failure;
  if (delivered > 0) {
    const twice = `${delivered} of ${outcomes.length} recipients have the message`;
    log.warn(`${mail.id}: ${twice}: they get it again when the client comes back for the others`);
  }
}

/** An outlet that reports on fewer recipients than it was given has lost sight of them. */
const NOT_REPORTED: RecipientOutcome = {
  kind: 'deferred',
  reply: { code: 451, status: '4.3.0', lines: ['the outlet has not reported on this recipient'] },
  hop: undefined,
};
