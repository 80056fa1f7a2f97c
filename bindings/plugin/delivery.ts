/**
 * Hand-over of messages. An outlet (a next hop, a mailbox, a program) is given a mail object and reports for each recipient
 * what became of it; a queue plugin makes one reply to the client of that. RFC 5321 sections 4.2.5 and 6.1.
 *
 * Outlets by the text that names and configures them, for plugins that hand messages on to any outlet the operator
 * names.
 *
 * Recipients named more than once, maybe in several spellings: a mail object names
 * each mailbox once.
 */

import { Address } from '../wire/address.ts';
import type {
  Connection,
  ForwardedClient,
  MailOptions,
  Recipient,
  NotifyEvent,
  RecipientOptions,
} from './connection.ts';
import type { HookContext } from './context.ts';
import type { Message } from './message.ts';
import { decline, deny, denySoft, ok, withoutClass, withReplyCode, type Verdict } from './verdict.ts';
import type { Place } from './config.ts';

/** What a sender hears of without NOTIFY. RFC 3461 section 4.1. */
const USUAL: readonly NotifyEvent[] = ['failure', 'delay'];
const EVENTS: readonly NotifyEvent[] = ['success', 'failure', 'delay'];

/**
 * Each mailbox once, as it was named first, in the order of the first. The sender is told of everything that was asked
 * for in any of them. The array itself if no recipient is named twice.
 */
export function withoutRepeats(recipients: readonly Recipient[]): readonly Recipient[] {
  if (recipients.length < 2) return recipients;
  const byMailbox = new Map<string, Recipient>();
  for (const recipient of recipients) {
    const mailbox = recipient.address.canonicalMailbox;
    const first = byMailbox.get(mailbox);
    byMailbox.set(mailbox, first === undefined ? recipient : joined(first, recipient));
  }
  return byMailbox.size === recipients.length ? recipients : [...byMailbox.values()];
}

function joined(first: Recipient, next: Recipient): Recipient {
  if (first.options === undefined && next.options === undefined) return first;
  const options: RecipientOptions = {
    notify: joinedEvents(first.options?.notify, next.options?.notify),
    originalRecipient: first.options?.originalRecipient ?? next.options?.originalRecipient,
  };
  return { ...first, options };
}

function joinedEvents(
  first: RecipientOptions['notify'],
  next: RecipientOptions['notify'],
): RecipientOptions['notify'] {
  const wanted = new Set([...(first ?? USUAL), ...(next ?? USUAL)]);
  wanted.delete('never');
  // No sender asked for more than the default, which is left to the next hop.
  if ((first === undefined || next === undefined) && !wanted.has('success')) return undefined;
  return wanted.size === 0 ? ['never'] : EVENTS.filter((event) => wanted.has(event));
}

/** What `Connection.remoteHost` says of an address without a name. */
const UNKNOWN_HOST = 'Unknown';

/** Whom a message came from, for next hops that want to know (XFORWARD, XCLIENT, PROXY). */
export interface SendingClient {
  readonly ip: string;
  readonly port: number;
  /** Undefined if the address has no name. */
  readonly host: string | undefined;
  readonly helloHost: string | undefined;
  readonly protocol: 'SMTP' | 'ESMTP';
  /** Set after a successful AUTH. */
  readonly user: string | undefined;
  readonly localIp: string;
  readonly localPort: number;
  /** The client that this one had the message from, if it said so by XFORWARD: it is handed on, and trusted with nothing. */
  readonly forwarded?: ForwardedClient | undefined;
}

/** One message and those it goes to. Outlets may read it several times and change nothing of it. */
export interface MailObject {
  /** `Address.null` for bounces. */
  readonly reversePath: Address;
  /** At least one, none twice. */
  readonly recipients: readonly Recipient[];
  readonly mailOptions: MailOptions;
  /** Its blocks stay readable until the hook has answered, or, for a stored message, until the delivery is settled. */
  readonly message: Message;
  /** Undefined for messages the daemon wrote itself. */
  readonly client: SendingClient | undefined;
  /** Stands in the log of every outlet: the id of the transaction, or that of the stored message. */
  readonly id: string;
  /**
   * The one that hands the mail object over, such as the spool, tries again for each recipient: outlets then deliver to
   * those who can have it now. Without it they give up before the data goes out as soon as one recipient is left out.
   */
  readonly isTrackedByRecipient?: boolean;
}

/** A reply of the next hop, or what stands for it where there was none. */
export interface HopReply {
  readonly code: number;
  /** RFC 3463 status with its class digit; undefined if the hop gave none. */
  readonly status: string | undefined;
  /**
   * Without code and status, printable; none if the hop gave a code alone: the client is told our text then. The
   * first one may be empty if others follow.
   */
  readonly lines: readonly string[];
}

/** `delivered`: the hop has taken the responsibility. `deferred`: it may do so later. `refused`: it never will. */
export interface RecipientOutcome {
  readonly kind: 'delivered' | 'deferred' | 'refused';
  readonly reply: HopReply;
  /** Name or address of the hop that said so; undefined if none was reached. */
  readonly hop: string | undefined;
  /** The hop offers DSN and was told NOTIFY and ORCPT: it reports success by itself. RFC 3461 section 5.2.2. */
  readonly isReportedByHop?: boolean;
}

/** What became of a mail object: one outcome for each recipient, in their order. */
export type DeliveryReport = readonly RecipientOutcome[];

export interface Outlet {
  /**
   * Delivers the mail object to all of its recipients. Never rejects: what goes wrong, timeouts and aborts included, is a
   * deferral in the report. What was reported as delivered is durable or in the hands of the next hop.
   */
  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport>;
  /**
   * Whether mail for any address, such as that of a sender, can leave by it; undefined: for all of them. For outlets whose
   * answer hangs on the outlets within; others say `isLocal` in their definition.
   */
  readonly reaches?: ((address: Address) => boolean) | undefined;
}

/** The mail object of a transaction whose message has come to its end. */
export function mailObjectOf({
  transaction,
  connection,
}: Pick<HookContext, 'transaction' | 'connection'>): MailObject {
  const { reversePath, recipients, mailOptions, message } = transaction;
  return {
    reversePath: reversePath ?? Address.null,
    recipients: withoutRepeats(recipients),
    mailOptions,
    message,
    client: clientOf(connection),
    id: transaction.id,
  };
}

/** The client as next hops are told of it. */
export function clientOf(connection: Connection): SendingClient {
  const { remoteIp, remotePort, remoteHost, helloHost, hello, auth, localIp, localPort, forwarded } =
    connection;
  return {
    ip: remoteIp,
    port: remotePort,
    host: remoteHost === UNKNOWN_HOST ? undefined : remoteHost,
    helloHost,
    protocol: hello === 'helo' || hello === undefined ? 'SMTP' : 'ESMTP',
    user: auth?.user,
    localIp,
    localPort,
    ...(forwarded === undefined ? {} : { forwarded }),
  };
}

/**
 * One honest reply for all recipients. OK means that no recipient is left out: where some recipients have the message
 * and others do not, the client hears of those who do not, because it alone can try again or tell the sender. Outlets
 * avoid such mixtures by giving up before the data goes out.
 */
export function verdictOf(report: DeliveryReport): Verdict {
  const worst =
    report.find(({ kind }) => kind === 'deferred') ??
    report.find(({ kind }) => kind === 'refused') ??
    report[0];
  if (worst === undefined)
    return withReplyCode(denySoft('no recipients to deliver the message to', '3.0'), 451);
  const { kind, reply } = worst;
  const status = withoutClass(reply.status);
  if (kind === 'delivered') return ok(reply.lines, status);
  // 421 announces the end of the connection to the hop; a client that reads it would take ours for closed.
  const isAnswered = reply.code !== 421 && Math.floor(reply.code / 100) === (kind === 'refused' ? 5 : 4);
  if (kind === 'refused') return withReplyCode(deny(reply.lines, status), isAnswered ? reply.code : 554);
  // What the hook has by itself, 452, makes clients split the message. RFC 5321 section 4.5.3.1.10.
  return withReplyCode(denySoft(reply.lines, status), isAnswered ? reply.code : 451);
}

/**
 * As `verdictOf`, but what may succeed later for everybody is DECLINED with the same text: the next queue plugin is
 * asked, and if there is none the client reads them after 451. That is how qpsmtpd's own queue plugins answer.
 */
export function verdictOrDecline(report: DeliveryReport): Verdict {
  const [first] = report;
  const isDeferred = first !== undefined && report.every(({ kind }) => kind === 'deferred');
  return isDeferred ? decline(first.reply.lines) : verdictOf(report);
}

/** An outlet that may still be loading; until it is ready, what it `reaches` is unknown. */
export interface OpenedOutlet extends Outlet {
  /**
   * Resolves once the outlet can be used; rejects with the place and the remedy if its text is wrong. While a plugin is
   * set up the server waits for all it has opened, and does not start if one fails: only a plugin that opens outlets
   * later has to look at this. Its rejection need not be handled.
   */
  readonly ready: Promise<void>;
}

export interface Outlets {
  /**
   * The outlet of the plugin `queue/NAME` under the same options: `smtp-forward 10.0.0.5 25`. A NAME with a slash in it is
   * the plugin's own. `place` is where the text stands, for errors; without it, the line of the plugin that asks.
   */
  open(spec: string, place?: Place): OpenedOutlet;
}
