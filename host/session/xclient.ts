/**
 * XCLIENT: a trusted proxy says who its client is, and the session starts over with him. Postfix's XCLIENT_README; there
 * is no RFC.
 */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Endpoint } from '../intake/incoming-connection.ts';
import { farewell } from './closing.ts';
import { ConnectionFacts, UNKNOWN_HOST } from './connection-facts.ts';
import { offers } from './extensions.ts';
import { greet } from './greeting.ts';
import { GREETING } from './input-mode.ts';
import { countCommandsAnew, refuseLine, SessionCounters } from './limits.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { answer, NEXT, STOP, type Progress, type Step } from './steps.ts';
import { readAttributes, type ClientAttributes } from './xclient-attributes.ts';

/**
 * The address of a client whose own the proxy does not know. Not the proxy's: whoever lets his proxies relay would let
 * everybody relay who comes through them.
 */
const NOWHERE = '0.0.0.0';

/** Anybody could take the address of a relay client otherwise. */
function refuseStrangers(session: Session): Progress {
  if (offers(session, 'XCLIENT')) return NEXT;
  session.log(LogLevel.NOTICE, `XCLIENT refused: ${session.intake.peer.address} is not in xclient_hosts`);
  return refuseLine(session, replies.xclientRefused);
}

function refuseInTransaction(session: Session): Progress {
  return session.openTransaction?.reversePath === undefined ? NEXT : answer(session, replies.inTransaction);
}

/** The plugins see one connection end and another begin, so that those who count connections count right. */
function startOver(session: Session): Progress {
  const attributes = readAttributes(session.command.argument);
  if (attributes === undefined) return answer(session, replies.badXclient);
  session.run([...farewell, () => becomeAnother(session, attributes), ...greet]);
  return STOP;
}

/** What the attributes do not name stays as it was, except what belongs to one client: login, HELO and the name. */
function becomeAnother(session: Session, attributes: ClientAttributes): Progress {
  const { intake, host } = session;
  intake.remote = moved(intake.remote, attributes.address, attributes.port);
  intake.local = moved(intake.local, attributes.localAddress, attributes.localPort);
  nameClient(session, attributes);
  session.facts = new ConnectionFacts(session.facts.id, intake);
  session.facts.helloHost = attributes.helo ?? undefined;
  session.tasks.endConnection();
  session.contexts.length = 0;
  session.route.close();
  session.route = host.openRoute();
  session.counters = new SessionCounters();
  countCommandsAnew(session);
  logIn(session, attributes.login, host.settings.xclientLoginRelays);
  session.mode = GREETING;
  return NEXT;
}

function moved(old: Endpoint, address: string | null | undefined, port: number | null | undefined): Endpoint {
  if (address === undefined && port === undefined) return old;
  return {
    address: address === undefined ? old.address : (address ?? NOWHERE),
    // The port of another address says nothing about this one.
    port: port ?? 0,
  };
}

/** Without a name the new address is looked up; a name the proxy could not find is not looked for again. */
function nameClient({ intake }: Session, { name, address }: ClientAttributes): void {
  if (typeof name === 'string') intake.host = name;
  else if (name === null || address === null) intake.host = UNKNOWN_HOST;
  else if (address !== undefined) delete intake.host;
}

/** The proxy has checked the password. Whether that lets the client relay is for the site to say. */
function logIn({ facts }: Session, user: string | null | undefined, mayRelay: boolean): void {
  if (typeof user !== 'string') return;
  facts.auth = { user, mechanism: 'XCLIENT' };
  if (mayRelay) facts.relayClient = true;
}

export const xclient: readonly Step[] = [refuseStrangers, refuseInTransaction, startOver];
