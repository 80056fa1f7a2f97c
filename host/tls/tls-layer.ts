/**
 * TLS around the stream of an intake: at accept (RFC 8314 section 3.3) or after STARTTLS (RFC 3207). The only place
 * where the server speaks TLS.
 */

import type { Duplex } from 'node:stream';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import type { TlsContext } from './tls-context.ts';

/** The options of TLS, as they are at the moment of a handshake. */
export interface TlsOptions {
  /** From the first octet to the last of the handshake. */
  readonly handshakeTimeoutMs: number;
  /** Clients are asked for a certificate; those without one, or with another's, are served all the same. */
  readonly asksForCertificate: boolean;
  /** The certificate for clients that name no server, or one that no certificate stands for. */
  readonly context: TlsContext;
  /**
   * The certificate that stands for a server's name in lower case; undefined if none does. Not there at all if there is
   * but one certificate: being asked costs each handshake a detour. An error or rejection counts as undefined.
   */
  readonly contextFor: ContextChoice | undefined;
}

export type ContextChoice = (serverName: string) => TlsContext | undefined | Promise<TlsContext | undefined>;

/** What of a connection TLS changes. */
export interface Securable {
  /** It must have no listener. Replaced by the decrypted one. */
  stream: Duplex;
  /** False from then on: TLS has to say goodbye. */
  outlivesStream: boolean;
  /** What the octets came through, outermost first; gets `tls` as its last. */
  hops: readonly string[];
  tls?: TlsFacts;
}

/** Why there is no TLS. Its message is for the log. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
}

/**
 * Takes over the stream of `intake`, which must have no listener, and puts the decrypted one in its place once the
 * handshake is through. Rejects with a `HandshakeError` after destroying the stream: nothing said afterwards could be
 * trusted by either side (RFC 3207 section 4.1). Octets that were written before go out first, in the clear.
 */
export function startTls(intake: Securable, options: TlsOptions): Promise<void> {
  const plain = intake.stream;
  if (plain.destroyed) return Promise.reject(new HandshakeError('the client has gone'));
  // From here on its errors are the secured stream's.
  plain.on('error', ignore);
  const { contextFor } = options;
  const secured = new TLSSocket(plain, {
    isServer: true,
    secureContext: options.context,
    requestCert: options.asksForCertificate,
    rejectUnauthorized: false,
    ...(contextFor === undefined
      ? {}
      : {
          SNICallback: (serverName, choose) =>
            choosing(contextFor, serverName.toLowerCase(), (context) => choose(null, context)),
        }),
  });
  // Errors after the handshake are told by this event alone: a socket wrapped by hand has no server to tell.
  secured.on('_tlsError', () => secured.destroy()).on('error', ignore);
  return new Promise((resolve, reject) => {
    let failure: Error | undefined;
    const remember = (error: Error): void => void (failure ??= error);
    const fail = (): void => {
      clearTimeout(cutOff);
      plain.destroy();
      reject(new HandshakeError(reasonOf(failure), { cause: failure }));
    };
    const giveUp = (): void => {
      secured.destroy();
      plain.destroy();
    };
    const cutOff = setTimeout(() => {
      remember(new Error(`not finished after ${options.handshakeTimeoutMs / 1_000} s`));
      giveUp();
    }, options.handshakeTimeoutMs);
    cutOff.unref();
    secured.on('_tlsError', remember).on('error', remember).once('close', fail).once('end', giveUp);
    // There is nothing to read yet, but only who reads learns that the client has closed its side.
    secured.resume();
    secured.once('secure', () => {
      secured.pause();
      try {
        // What a proxy has told is about the client, and this connection only about the proxy.
        intake.tls ??= factsOf(secured, options);
      } catch (error) {
        // Whatever a client's certificate holds, it must not end more than that client's connection.
        remember(error as Error);
        giveUp();
        return;
      }
      clearTimeout(cutOff);
      secured.off('_tlsError', remember).off('error', remember).off('close', fail).off('end', giveUp);
      intake.stream = secured;
      intake.outlivesStream = false;
      intake.hops = [...intake.hops, 'tls'];
      resolve();
    });
  });
}

/** A choice that is made already is not waited for. What a program throws must not end the process: the client has named it. */
function choosing(
  contextFor: ContextChoice,
  serverName: string,
  choose: (context: TlsContext | undefined) => void,
): void {
  let chosen: ReturnType<ContextChoice>;
  try {
    chosen = contextFor(serverName);
  } catch {
    // As a rejection.
  }
  if (chosen instanceof Promise) chosen.then(choose, () => choose(undefined));
  else choose(chosen);
}

function ignore(): void {
  // A listener of the stream learns of its end by 'close'.
}

/** OpenSSL's text without its numbers: `wrong version number`, `no shared cipher`. */
function reasonOf(error: (Error & { reason?: unknown; code?: unknown }) | undefined): string {
  if (error === undefined) return 'the client closed the connection';
  if (typeof error.reason === 'string') return error.reason;
  return error.message;
}

export function factsOf(
  secured: TLSSocket,
  { asksForCertificate }: Pick<TlsOptions, 'asksForCertificate'>,
): TlsFacts {
  const serverName = secured.servername as unknown;
  const certificate = asksForCertificate ? (secured.getPeerCertificate() as Partial<PeerCertificate>) : {};
  const clientName = nameIn(certificate);
  return {
    by: 'self',
    version: secured.getProtocol() ?? 'unknown',
    cipher: secured.getCipher().name,
    ...(typeof serverName === 'string' && HOST_NAME.test(serverName) ? { serverName } : {}),
    ...(clientName === undefined ? {} : { clientName }),
    // Without a certificate OpenSSL has nothing to object to.
    verified: certificate.raw !== undefined && hasNoObjection(secured),
  };
}

/** What a client names is its own choice of octets until it looks like a name. RFC 6066 section 3. */
const HOST_NAME = /^[A-Za-z0-9._-]{1,255}$/;

/** No control characters, and not more than a line of the log can bear. */
const CLIENT_NAME = /^\P{Cc}{1,255}$/u;

/** The common name of a certificate; the last one, if it has several, is the most specific. */
function nameIn({ subject }: Partial<PeerCertificate>): string | undefined {
  const common: unknown = subject?.CN;
  const name: unknown = Array.isArray(common) ? common.at(-1) : common;
  return typeof name === 'string' && CLIENT_NAME.test(name) ? name : undefined;
}

/** What node's own servers ask to set `authorized`; no public way leads there for a socket wrapped by hand. */
interface Verifying {
  readonly ssl?: { verifyError?(): Error | null } | null;
}

/** What OpenSSL has against the client's certificate, or its absence; undefined: the way to an authority was found. */
export function objectionOf(secured: TLSSocket): (Error & { readonly code?: string }) | undefined {
  const { ssl } = secured as unknown as Verifying;
  if (ssl?.verifyError === undefined) return new Error('the certificate could not be verified');
  return ssl.verifyError() ?? undefined;
}

/** A doubtful one is not verified. */
const hasNoObjection = (secured: TLSSocket): boolean => objectionOf(secured) === undefined;
