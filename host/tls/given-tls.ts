/** TLS that an embedding program brings along, in place of files and settings. */

import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls';
import type { Duplex } from 'node:stream';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import type { TlsContext } from './tls-context.ts';
import { factsOf, type ContextChoice, type TlsOptions } from './tls-layer.ts';

/** Under another name, for the folders that may not touch `tls`. */
export type ContextOptions = SecureContextOptions;

export interface GivenTls extends SecureContextOptions {
  /** Clients are asked for a certificate; those without one, or with another's, are served all the same. */
  readonly requestCert?: boolean | undefined;
  /** The context for a client that names this server, in lower case; undefined: the one of this object. */
  readonly contextFor?: ContextChoice | undefined;
  /** From the first octet to the last of the handshake; default 30,000. */
  readonly handshakeTimeoutMs?: number | undefined;
}

const HANDSHAKE_TIMEOUT_MS = 30_000;
/** As for certificates from files: what is older can be broken. RFC 8996. */
const MINIMUM = 'TLSv1.2';

/** Throws OpenSSL's error if it cannot use one of the parts. */
export function givenTls(given: GivenTls | TlsContext): TlsOptions {
  if (isContext(given)) {
    return {
      context: given,
      contextFor: undefined,
      asksForCertificate: false,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    };
  }
  const { requestCert = false, contextFor, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS, ...options } = given;
  return {
    context: createSecureContext({ minVersion: MINIMUM, ...options }),
    contextFor,
    asksForCertificate: requestCert,
    handshakeTimeoutMs,
  };
}

/** What `createSecureContext` has made, and not what it is made of. */
const isContext = (given: GivenTls | TlsContext): given is TlsContext =>
  'context' in given && typeof given.context === 'object';

/** What is known of TLS that `stream` speaks already; undefined if it does not. */
export function tlsFactsOf(stream: Duplex): TlsFacts | undefined {
  return stream instanceof TLSSocket ? factsOf(stream, { asksForCertificate: true }) : undefined;
}
