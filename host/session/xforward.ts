/**
 * XFORWARD: a mail server that hands a message on says which client it had it from, for the log. Postfix's XFORWARD_README; there
 * is no RFC. Nothing is decided by it, so that a server that may tell it need not be trusted with more.
 */

import type { ForwardedClient } from '../../bindings/plugin/connection.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { replies } from '../replies/replies.ts';
import { readAddress, readAttributes, readPort, type AttributeRow } from './client-attributes.ts';
import { offers } from './extensions.ts';
import { refuseLine } from './limits.ts';
import type { Session } from './session.ts';
import { answer, NEXT, type Progress, type Step } from './steps.ts';

type Attributes = { -readonly [N in keyof ForwardedClient]?: ForwardedClient[N] | null };

/** Postfix's limit. */
const MAX_VALUE = 255;

const readText = (text: string): string | undefined => (text.length <= MAX_VALUE ? text : undefined);

const ROWS: ReadonlyMap<string, AttributeRow<Attributes>> = new Map<string, AttributeRow<Attributes>>([
  ['NAME', ['host', readText]],
  // A link-local address may stand with the interface it was heard on. RFC 4007 section 11.
  ['ADDR', ['ip', (text) => readAddress(text.replace(/%[\w.-]+$/, ''))]],
  ['PORT', ['port', readPort]],
  ['PROTO', ['protocol', (text) => (/^[A-Z0-9]{1,20}$/i.test(text) ? text.toUpperCase() : undefined)]],
  ['HELO', ['helloHost', readText]],
  ['IDENT', ['ident', readText]],
  ['SOURCE', ['source', readSource]],
]);

function readSource(text: string): ForwardedClient['source'] {
  const source = text.toLowerCase();
  return source === 'local' || source === 'remote' ? source : undefined;
}

const UNKNOWN: ForwardedClient = {
  ip: undefined,
  port: undefined,
  host: undefined,
  helloHost: undefined,
  protocol: undefined,
  ident: undefined,
  source: undefined,
};

/** The log would say what any client makes up. */
function refuseStrangers(session: Session): Progress {
  if (offers(session, 'XFORWARD')) return NEXT;
  session.log(LogLevel.NOTICE, `XFORWARD refused: ${session.intake.peer.address} is not in xforward_hosts`);
  return refuseLine(session, replies.xforwardRefused);
}

function refuseInTransaction(session: Session): Progress {
  return session.openTransaction?.reversePath === undefined ? NEXT : answer(session, replies.inTransaction);
}

/** Attributes may come in several commands; they hold for one message. */
function take(session: Session): Progress {
  const { facts, command } = session;
  const attributes = readAttributes<Attributes>(command.argument, ROWS);
  if (attributes === undefined) return answer(session, replies.badXforward);
  const known = Object.entries(attributes).map(([name, value]) => [name, value ?? undefined] as const);
  facts.forwarded = { ...(facts.forwarded ?? UNKNOWN), ...Object.fromEntries(known) };
  return answer(session, replies.ok);
}

export const xforward: readonly Step[] = [refuseStrangers, refuseInTransaction, take];
