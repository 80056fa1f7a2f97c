/**
 * One line of the log for each transaction, and for each connection that ended without one: what an operator looks for first.
 * docs/reference/logging.md explains the fields. While the transaction goes on, only what would be lost is kept; text is
 * made when the line is written, and none where lines of this level are not wanted.
 *
 * A line of fields, `transaction id=… client=…`, and the same as a record for logs that have fields of their own.
 */

import { Verb } from '../../bindings/core/contract.ts';
import type { ForwardedClient, Recipient } from '../../bindings/plugin/connection.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Command } from './command.ts';
import { UNKNOWN_HOST } from './connection-facts.ts';
import type { Session } from './session.ts';
import type { LogRecord } from '../../bindings/plugin/hooks.ts';
import { MAX_TEXT } from '../observe/log-text.ts';

/** In the order of the line; those that are undefined are left out. */
export type SummaryFields = Readonly<Record<string, string | number | undefined>>;

/** Characters of one value: a client may send a name as long as its line. */
const MAX_VALUE = 320;
/** Room for the field that says how many recipients the line does not name. */
const ROOM_FOR_REST = 20;

/** `recipients` are named one by one as long as the line has room, and counted in `more` from there on. */
export function summaryEvent(
  name: string,
  fields: SummaryFields,
  recipients: Iterable<string> = [],
): { readonly text: string; readonly event: LogRecord } {
  const event: Record<string, string | number | readonly string[]> = { name };
  let text = name;
  for (const [field, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const kept = typeof value === 'string' ? value.slice(0, MAX_VALUE) : value;
    event[field] = kept;
    text += ` ${field}=${typeof kept === 'string' ? quoted(kept) : kept}`;
  }
  const named: string[] = [];
  let more = 0;
  for (const recipient of recipients) {
    const piece = ` to=${quoted(recipient.slice(0, MAX_VALUE))}`;
    if (more > 0 || text.length + piece.length > MAX_TEXT - ROOM_FOR_REST) {
      more++;
      continue;
    }
    named.push(recipient.slice(0, MAX_VALUE));
    text += piece;
  }
  if (named.length > 0) event['to'] = named;
  if (more === 0) return { text, event };
  return { text: `${text} more=${more}`, event: { ...event, more } };
}

/** In quotes where it has a blank or a quote in it: a client must not be able to write fields of its own. */
const quoted = (value: string): string =>
  /^[^\s"\\=\u0000-\u001f\u007f-\u009f]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;

const LEVEL = LogLevel.NOTICE;
/** Refused recipients that are kept: a client may try a dictionary. Of the others there is the number. */
const MAX_REFUSED = 100;

/** One transaction, from MAIL on. */
export class Summary {
  readonly #beganAt = performance.now();
  readonly #refused: string[] = [];
  #refusedCount = 0;
  #id = '';
  #from = '';
  #recipients: readonly Recipient[] = [];
  #octets: number | undefined = undefined;
  #messageId: string | undefined = undefined;
  #forwarded: ForwardedClient | undefined = undefined;

  refuse(command: Command, code: string, plugin: string | undefined): void {
    if (this.#refusedCount++ < MAX_REFUSED)
      this.#refused.push(`${pathOf(command)}:${verdictOf(code, plugin)}`);
  }

  /** Before the session forgets the transaction. */
  take(session: Session): this {
    const { transaction, openIncoming: incoming } = session;
    this.#id = transaction.id;
    this.#from = (transaction.reversePath ?? '').toString();
    this.#recipients = transaction.recipients;
    this.#octets = incoming?.message.content.octets;
    this.#forwarded = session.facts.forwarded;
    // The header of a message that was given up is not parsed.
    if (incoming?.isHeaderAnnounced === true && !incoming.isTooBig && incoming.flow !== 'broken')
      this.#messageId = incoming.message.header.get('Message-Id')?.trim();
    return this;
  }

  write(session: Session, result: string, hop?: string): void {
    const { facts, host, decidedBy } = session;
    const accepted = this.#recipients.length;
    const fields: SummaryFields = {
      ...clientFields(session),
      ...forwardedFields(this.#forwarded),
      from: this.#from,
      result,
      decided: decidedBy,
      hop,
      octets: this.#octets,
      message_id: this.#messageId,
      ms: Math.round(performance.now() - this.#beganAt),
      accepted,
      refused: this.#refusedCount,
    };
    const context = { connectionId: facts.id, transactionId: this.#id };
    const { text, event } = summaryEvent('transaction', { id: this.#id, ...fields }, this.#eachRecipient());
    host.logger.log(LEVEL, text, context, event);
  }

  /** The refused ones first: they are what an operator looks for. */
  *#eachRecipient(): Generator<string> {
    yield* this.#refused;
    for (const { address } of this.#recipients) yield `${address.toString()}:accepted`;
  }
}

const verdictOf = (code: string, plugin: string | undefined): string =>
  plugin === undefined ? code : `${code}/${plugin}`;

/** The path as the client wrote it, of a command that may be malformed. */
function pathOf(command: Command): string {
  if (command.isCanonical) return command.path;
  const { text } = command;
  return /<[^>]*>/.exec(text)?.[0] ?? text.replace(/^(?:from|to):[ \t]*/i, '');
}

function forwardedFields(forwarded: ForwardedClient | undefined): SummaryFields {
  if (forwarded === undefined) return {};
  const { ip, port, host, helloHost, ident } = forwarded;
  return {
    orig_client: ip === undefined ? undefined : placeOf(ip, port),
    orig_host: host,
    orig_helo: helloHost,
    orig_id: ident,
  };
}

const placeOf = (ip: string, port: number | undefined): string =>
  `${ip.includes(':') ? `[${ip}]` : ip}${port === undefined ? '' : `:${port}`}`;

function clientFields({ facts }: Session): SummaryFields {
  const { remoteIp, remotePort, remoteHost, helloHost, auth, tls } = facts;
  return {
    client: placeOf(remoteIp, remotePort),
    host: remoteHost === UNKNOWN_HOST ? undefined : remoteHost,
    helo: helloHost,
    user: auth?.user,
    tls: tls && (tls.version ?? 'unknown'),
  };
}

/** MAIL was accepted. */
export function beginSummary(session: Session): void {
  if (!session.host.logger.writes(LEVEL)) return;
  session.hasTransacted = true;
  session.summary = new Summary();
}

/** A reply of 4yz or 5yz goes out; `text` begins with its code. */
export function noteRefusal(session: Session, text: string): void {
  const code = text.slice(0, 3);
  session.refusalCode = code;
  const { summary, decidedBy } = session;
  const { verb } = session.command;
  if (summary !== undefined) {
    if (verb === Verb.Rcpt) summary.refuse(session.command, code, decidedBy);
  } else if (verb === Verb.Mail && session.openTransaction?.reversePath === undefined) {
    tellRefusedMail(session, code);
  }
}

function tellRefusedMail(session: Session, result: string): void {
  const { facts, host, transactionId = facts.id, command, decidedBy } = session;
  if (!host.logger.writes(LEVEL)) return;
  session.hasTransacted = true;
  const outcome = { from: pathOf(command), result, decided: decidedBy };
  const client = { ...clientFields(session), ...forwardedFields(facts.forwarded) };
  const fields = { id: transactionId, ...client, ...outcome };
  const { text, event } = summaryEvent('transaction', fields);
  host.logger.log(LEVEL, text, { connectionId: facts.id, transactionId }, event);
}

/** The transaction is about to be forgotten, without an outcome of its own. */
export function endSummary(session: Session): void {
  const { summary } = session;
  session.summary = undefined;
  summary?.take(session).write(session, endOf(session));
}

/** Takes the summary out of the session, to be written once the client has its answer. */
export function takeSummary(session: Session): Summary | undefined {
  const { summary } = session;
  session.summary = undefined;
  return summary?.take(session);
}

/** The connection is over. */
export function summarizeConnection(session: Session): void {
  const { host, facts, counters } = session;
  if (session.hasTransacted || !host.logger.writes(LEVEL)) return;
  const fields: SummaryFields = {
    id: facts.id,
    ...clientFields(session),
    result: endOf(session),
    decided: session.decidedBy,
    commands: counters.commands,
    unrecognized: counters.unrecognized || undefined,
    auth_failures: counters.authFailures || undefined,
    ms: Math.round(performance.now() - session.beganAt),
  };
  const { text, event } = summaryEvent('connection', fields);
  host.logger.log(LEVEL, text, { connectionId: facts.id }, event);
}

/** What ended the transaction or the connection: our refusal, or what the client did. */
function endOf(session: Session): string {
  if (session.hasTimedOut) return 'timeout';
  if (session.refusalCode !== '') return session.refusalCode;
  const end = ENDS[session.command.verb];
  if (session.mode.kind !== 'closed') return end ?? 'reset';
  return session.command.verb === Verb.Quit ? 'quit' : 'disconnect';
}

const ENDS: Partial<Record<Verb, string>> = {
  [Verb.Rset]: 'rset',
  [Verb.Mail]: 'mail',
  [Verb.Helo]: 'hello',
  [Verb.Ehlo]: 'hello',
  [Verb.Starttls]: 'starttls',
};
