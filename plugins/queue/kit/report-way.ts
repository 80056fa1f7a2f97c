/**
 * By which outlet the reports of a spool leave. Messages go to recipients and reports to senders, who may be anywhere:
 * a mail store has no mailbox for most of them, and would refuse reports, which cannot be returned.
 */

import {
  Address,
  type DeliveryReport,
  type Log,
  type MailObject,
  type OpenedOutlet,
  type Outlet,
  type RecipientOutcome,
  type SpoolOptions,
} from '../../../bindings/plugin/index.ts';
import { deliverSplit } from './outlet-split.ts';

/** For senders that the outlet of the messages does not reach. */
const BY_MX = 'smtp-forward mx';
/** RFC 3463: X.4.6, mail for the domain would come back to this host. */
const LOOP = '5.4.6';
/** No mailbox can exist there, and no route names it. RFC 2606 section 2. */
const ELSEWHERE = new Address('postmaster', 'elsewhere.invalid');

export type ReportWay = NonNullable<SpoolOptions['reports']>;

export interface ReportWayOptions {
  /** The way of the messages. */
  readonly own: OpenedOutlet;
  readonly ownDestinationOf: (address: Address) => string;
  readonly open: (spec: string) => OpenedOutlet;
  readonly log: Pick<Log, 'notice' | 'warn'>;
}

/** What waits for a report's next hop must not keep messages waiting that go another way, nor the other way round. */
const apart = (destination: string): string => `reports:${destination}`;

const byDomain = ({ domain }: Address): string => apart(domain.toLowerCase());

/** The outlet that the operator names, as `spec`. */
export function namedReportWay(
  spec: readonly string[],
  destinationOf: ReportWay['destinationOf'],
  { open, log }: ReportWayOptions,
): ReportWay {
  const text = spec.join(' ');
  const outlet = open(text);
  const look = (): void => {
    if (outlet.reaches?.(ELSEWHERE) === false)
      log.warn(
        `REPORTS TO SENDERS ELSEWHERE CANNOT LEAVE by \`${text}\`, and will be kept (name another outlet, such as \`reports via ${BY_MX}\`)`,
      );
  };
  outlet.ready.then(look, () => undefined);
  return { outlet, destinationOf: (address) => apart(destinationOf(address)) };
}

/**
 * The outlet of the messages for senders whom it reaches, MX delivery for all others. Where the DNS leads back to this host, the
 * outlet of the messages is the place after all: it serves that domain.
 */
export function defaultReportWay({ own, ownDestinationOf, open, log }: ReportWayOptions): ReportWay {
  let mx: Outlet | undefined;
  const look = (): void => {
    if (own.reaches === undefined) return;
    mx = open(BY_MX);
    if (!own.reaches(ELSEWHERE)) log.notice('reports to senders elsewhere go by MX (see `reports via`)');
  };
  own.ready.then(look, () => undefined);
  const isOwn = (address: Address): boolean => mx === undefined || own.reaches?.(address) !== false;
  const away: Outlet = {
    deliver: async (mail, signal) => bringBack(mail, await mx!.deliver(mail, signal), own, signal),
  };
  return {
    destinationOf: (address) => (isOwn(address) ? ownDestinationOf(address) : byDomain(address)),
    outlet: {
      deliver(mail, signal) {
        const places = [...mail.recipients.keys()];
        const isOwnAt = (index: number): boolean => isOwn(mail.recipients[index]!.address);
        const consignments = [
          { outlet: own, indexes: places.filter(isOwnAt) },
          { outlet: away, indexes: places.filter((index) => !isOwnAt(index)) },
        ].filter(({ indexes }) => indexes.length > 0);
        return deliverSplit(mail, { consignments, log }, signal);
      },
    },
  };
}

async function bringBack(
  mail: MailObject,
  report: DeliveryReport,
  own: Outlet,
  signal: AbortSignal | undefined,
): Promise<DeliveryReport> {
  const isLoop = ({ kind, hop, reply }: RecipientOutcome): boolean =>
    kind === 'refused' && hop === undefined && reply.status === LOOP;
  const recipients = mail.recipients.filter((_, index) => isLoop(report[index]!));
  if (recipients.length === 0) return report;
  const back = [...(await own.deliver({ ...mail, recipients }, signal))];
  return report.map((outcome) => (isLoop(outcome) ? (back.shift() ?? outcome) : outcome));
}
