/** TLS as programs know it from `tls.createServer`: contexts by name, and who asks for client certificates. */

import {
  createSecureContext,
  TLSSocket,
  type CipherNameAndProtocol,
  type SecureContext,
  type TlsOptions as NodeTlsOptions,
} from 'node:tls';
import type { Duplex } from 'node:stream';
import { makeSelfSigned } from './self-signed.ts';
import { objectionOf } from './tls-layer.ts';

/** Under other names, for the folders that may not touch `tls`. */
export type ServerTlsOptions = NodeTlsOptions;
export type CipherFacts = CipherNameAndProtocol;
export type TlsStream = TLSSocket;
export type ProgramContext = SecureContext;

const DAY_MS = 86_400_000;
let ownPair: { readonly key: string; readonly cert: string } | undefined;

/** For programs without a certificate: one of `localhost`, made anew for each process. Nobody else knows its key. */
function temporaryPair(): { readonly key: string; readonly cert: string } {
  if (ownPair !== undefined) return ownPair;
  const now = Date.now();
  const { key, certificate } = makeSelfSigned({
    names: ['localhost', '127.0.0.1', '::1'],
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + 365 * DAY_MS),
  });
  return (ownPair = { key, cert: certificate });
}

/** True if the options name a certificate. */
export const hasCertificate = ({ key, cert, pfx }: NodeTlsOptions): boolean =>
  Boolean(key) || Boolean(cert) || Boolean(pfx);

/** Throws OpenSSL's error if it cannot use one of the parts. */
export function programContext(options: NodeTlsOptions): SecureContext {
  const pair = hasCertificate(options) ? {} : temporaryPair();
  return createSecureContext({ honorCipherOrder: true, ...options, ...pair });
}

/** The stream as the socket of TLS; undefined if it is none. */
export const secureSocket = (stream: Duplex): TLSSocket | undefined =>
  stream instanceof TLSSocket ? stream : undefined;

/** Writes down on the socket what OpenSSL has to say of the client's certificate, as `tls.createServer` does. */
export function judgeCertificate(socket: TLSSocket): Error | undefined {
  const objection = objectionOf(socket);
  socket.authorized = objection === undefined;
  if (objection !== undefined) {
    // A code at run time, whatever the types say.
    (socket as { authorizationError: unknown }).authorizationError = objection.code ?? objection.message;
  }
  return objection;
}
