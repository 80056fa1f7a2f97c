/**
 * XCLIENT: a trusted proxy says who its client is, and the session starts over with that one. Postfix's XCLIENT_README; there is
 * no RFC.
 */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { isDomain } from '../../bindings/wire/path.ts';
import type { Endpoint } from '../intake/incoming-connection.ts';
import { takeProxyTls } from '../intake/proxy-layer.ts';
import { replies } from '../replies/replies.ts';
import {
  readAddress,
  readAttributes,
  readPort,
  readProtocol,
  type AttributeRow,
} from './client-attributes.ts';
import { farewell } from './closing.ts';
import { ConnectionFacts, UNKNOWN_HOST } from './connection-facts.ts';
import { offers } from './extensions.ts';
import { greet } from './greeting.ts';
import { countCommandsAnew, refuseLine, SessionCounters } from './limits.ts';
import type { Session } from './session.ts';
import { answer, GREETING, NEXT, STOP, type Progress, type Step } from './steps.ts';

/**
 * The address of a client whose own the proxy does not know. Not the proxy's: if the proxy may relay, every client that comes
 * through it could.
 */
const NOWHERE = '0.0.0.0';

/**
 * Otherwise any client could take the address of a relay client. So could those of nginx, which passes everything through after the
 * first recipient: once the client that was named has sent mail, a second XCLIENT may be its own.
 */
function refuseStrangers(session: Session): Progress {
  if (offers(session, 'XCLIENT')) return NEXT;
  const { peer, hops } = session.intake;
  const why = session.isNamed
    ? 'a client is named already, and has sent mail'
    : `${peer.address} is not in xclient_hosts, or comes by a proxy (${hops.join(', ')})`;
  session.log(LogLevel.NOTICE, `XCLIENT refused: ${why}`);
  return refuseLine(session, replies.xclientRefused);
}

function refuseInTransaction(session: Session): Progress {
  return session.openTransaction?.reversePath === undefined ? NEXT : answer(session, replies.inTransaction);
}

/** The plugins see one connection end and another begin, so that plugins that count connections count right. */
function startOver(session: Session): Progress {
  const attributes = readClient(session.command.argument);
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
  // A PROXY header has had its say, which may be that the client came without TLS.
  if (!intake.hops.some((hop) => hop.startsWith('proxy-'))) takeProxyTls(intake);
  delete intake.login;
  session.facts = new ConnectionFacts(session.facts.id, intake, session);
  session.facts.helloHost = attributes.helo ?? undefined;
  session.tasks.endConnection();
  session.contexts.length = 0;
  session.route.close();
  session.route = host.openRoute();
  session.counters = new SessionCounters();
  countCommandsAnew(session);
  logIn(session, attributes.login, host.settings.xclientLoginRelays);
  session.isNamed = true;
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

const MAX_LOGIN = 255;

/** `null`: the proxy says that it is unknown. Absent: it says nothing. */
export interface ClientAttributes {
  name?: string | null;
  address?: string | null;
  port?: number | null;
  protocol?: string | null;
  helo?: string | null;
  login?: string | null;
  localAddress?: string | null;
  localPort?: number | null;
}

const ROWS: ReadonlyMap<string, AttributeRow<ClientAttributes>> = new Map<
  string,
  AttributeRow<ClientAttributes>
>([
  ['NAME', ['name', (text) => (isDomain(text) && !text.startsWith('[') ? text : undefined)]],
  ['ADDR', ['address', readAddress]],
  ['PORT', ['port', readPort]],
  ['PROTO', ['protocol', readProtocol]],
  // Anything the client said, up to the first blank, as in HELO itself.
  ['HELO', ['helo', (text) => /^[^ ]+/.exec(text)?.[0]]],
  ['LOGIN', ['login', (text) => (text.length <= MAX_LOGIN ? text : undefined)]],
  ['DESTADDR', ['localAddress', readAddress]],
  ['DESTPORT', ['localPort', readPort]],
]);

/** Undefined if anything is wrong with it. */
export const readClient = (argument: string): ClientAttributes | undefined =>
  readAttributes<ClientAttributes>(argument, ROWS);
