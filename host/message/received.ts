/** The trace field that says where a message came from and how. RFC 5321 section 4.4. */

import type { Connection } from '../../bindings/plugin/connection.ts';
import { maskControls } from './field-text.ts';

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
 * `SMTP` after HELO; after EHLO `ESMTP` with S for TLS and A for authentication. RFC 3848. `UTF8SMTP` for a message of
 * SMTPUTF8. RFC 6531 section 3.7.3.
 */
export function protocolOf({ hello, tls, auth }: TracedConnection, isUtf8 = false): string {
  if (hello !== 'ehlo') return 'SMTP';
  return `${isUtf8 ? 'UTF8SMTP' : 'ESMTP'}${tls === undefined ? '' : 'S'}${auth === undefined ? '' : 'A'}`;
}

/** `(CIPHER encrypted)`, or nothing without TLS. */
export function cipherNote({ tls }: TracedConnection): string {
  return tls === undefined ? '' : `(${maskControls(tls.cipher)} encrypted)`;
}

/** The user that authenticated, for hook `received_line`; nothing without AUTH. Not part of the field itself. */
export function authenticationNote({ auth }: TracedConnection): string {
  if (auth === undefined) return '';
  return `(smtp-auth username ${maskControls(auth.user)}, mechanism ${maskControls(auth.mechanism)})\n`;
}
