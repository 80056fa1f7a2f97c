/** The trace the daemon leaves in the header: Received and Authentication-Results. RFC 5321 section 4.4, RFC 8601. */

import { ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import {
  authenticationResults,
  renameForeignResults,
  type AuthenticationOutcome,
} from '../message/authentication-results.ts';
import type { Session } from './session.ts';
import { NEXT, settled, type Progress } from './steps.ts';
import type { Connection, TlsFacts } from '../../bindings/plugin/connection.ts';
import { maskControls } from '../message/field-text.ts';

/** Puts both fields on top; the hook `received_line` may write the first. */
export function addTrace(session: Session): Progress {
  const { hooks } = session.host;
  if (!hooks.has('received_line')) return settle(session, undefined);
  const { facts } = session;
  const parts = {
    protocol: protocolOf(facts, session.transaction.mailOptions.isUtf8),
    authentication: authenticationNote(facts),
    cipher: cipherNote(facts),
  };
  return settled(session, hooks.run('received_line', session, parts), settle);
}

function settle(session: Session, verdict: Verdict | undefined): Progress {
  const { header } = session.incoming.message;
  const { facts, host } = session;
  const { settings } = host;
  const isWorded = verdict?.code === ReturnCode.OK && verdict.lines.length > 0;
  const received = isWorded
    ? verdict.lines.join('\n')
    : receivedValue(
        facts,
        { name: settings.me, version: host.version },
        host.date(),
        session.transaction.mailOptions.isUtf8,
      );
  header.prepend('Received', received);
  const authority = settings.authservId;
  if (authority === undefined) return NEXT;
  renameForeignResults(header, authority);
  header.prepend(
    'Authentication-Results',
    authenticationResults(authority, authOutcome(session), facts.authenticationResults),
  );
  return NEXT;
}

/** A failed attempt is told, even if the client went on without authentication. */
function authOutcome({ facts, counters }: Session): AuthenticationOutcome {
  return facts.auth ?? (counters.authFailures > 0 ? 'fail' : 'none');
}

/** The facts of a connection that go into the field. */
export type TracedConnection = Pick<
  Connection,
  'remoteInfo' | 'remoteIp' | 'hello' | 'helloHost' | 'tls' | 'auth'
>;

/** The server that received it. */
export interface Receiver {
  /** Name of this host, from `me`. */
  readonly name: string;
  readonly version: string;
}

/** Value of the Received field in qpsmtpd's form, in two lines; HELO stands there for EHLO too. */
export function receivedValue(
  connection: TracedConnection,
  receiver: Receiver,
  date: string,
  isUtf8 = false,
): string {
  const { remoteInfo, helloHost, remoteIp } = connection;
  const from = `from ${maskControls(remoteInfo)} (HELO ${maskControls(helloHost ?? '')}) (${maskControls(remoteIp)})`;
  const by = `by ${receiver.name} (qpsmtpd/${receiver.version})`;
  return `${from}\n ${by} with ${protocolOf(connection, isUtf8)} ${cipherNote(connection)}; ${date}`;
}

/**
 * `SMTP` after HELO; after EHLO `ESMTP`, after LHLO `LMTP`, with S for TLS and A for authentication. RFC 3848. `UTF8SMTP` and
 * `UTF8LMTP` for a message of SMTPUTF8. RFC 6531 section 3.7.3.
 */
export function protocolOf({ hello, tls, auth }: TracedConnection, isUtf8 = false): string {
  if (hello !== 'ehlo' && hello !== 'lhlo') return 'SMTP';
  const plain = hello === 'lhlo' ? 'LMTP' : 'ESMTP';
  const international = hello === 'lhlo' ? 'UTF8LMTP' : 'UTF8SMTP';
  return `${isUtf8 ? international : plain}${tls === undefined ? '' : 'S'}${auth === undefined ? '' : 'A'}`;
}

/** `(CIPHER encrypted)`, without the name where a proxy does not tell it, or nothing without TLS. */
export function cipherNote({ tls }: TracedConnection): string {
  if (tls === undefined) return '';
  return tls.cipher === undefined ? '(encrypted)' : `(${maskControls(tls.cipher)} encrypted)`;
}

/** The user that authenticated, for hook `received_line`; nothing without AUTH. Not part of the field itself. */
export function authenticationNote({ auth }: TracedConnection): string {
  if (auth === undefined) return '';
  return `(smtp-auth username ${maskControls(auth.user)}, mechanism ${maskControls(auth.mechanism)})\n`;
}

/** For the log: version, cipher, and who asked for whom. */
export function describeTls({ version, cipher, serverName, clientName, verified }: TlsFacts): string {
  const asked = serverName === undefined ? '' : ` for ${serverName}`;
  const client = clientName === undefined ? '' : `, client ${clientName}${verified ? '' : ' (not verified)'}`;
  return `${version ?? 'TLS'} ${cipher ?? 'by an unknown cipher'}${asked}${client}`;
}
