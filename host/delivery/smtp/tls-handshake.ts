/** TLS as the client of a hop. RFC 3207, RFC 7672 section 8, RFC 7817. */

import { isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect,
  type ConnectionOptions,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import type { HopCertificate, HopHost, TlsDemand } from '../../../bindings/plugin/hop-services.ts';
import { HopFault, hopReplies } from './hop-fault.ts';

/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 10;

export interface SecureSocket {
  readonly socket: TLSSocket;
  /** The certificate is what `verified` wants, whether it was demanded or not. */
  readonly isVerified: boolean;
}

/** Rejects with OpenSSL's error, or with a `HopFault` if the certificate is not what the demand asks for. */
export function handshake(plain: Socket, host: HopHost, demand: TlsDemand): Promise<SecureSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...termsOf(host, demand), socket: plain });
    // Stays where it is: an error with nobody to hear it would end the process.
    socket.on('error', reject);
    socket.once('secureConnect', () => {
      try {
        resolve({ socket, isVerified: isVerified(socket, host, demand) });
      } catch (cause) {
        reject(cause);
      }
    });
  });
}

/** Throws a `HopFault` if it is not and has to be. */
function isVerified(socket: TLSSocket, host: HopHost, demand: TlsDemand): boolean {
  const certificate = certificateOf(socket, demand.names ?? [host.name]);
  const problem = (demand.judge ?? usualProblem)(certificate);
  if (problem === undefined || demand.level !== 'verified') return problem === undefined;
  throw new HopFault('tls', hopReplies.distrusted, `certificate of ${host.name}: ${problem}`);
}

function termsOf(host: HopHost, demand: TlsDemand): ConnectionOptions {
  const { authorities, certificate, key, serverName = host.name, minimumVersion = 'TLSv1.2' } = demand;
  return {
    // Judged by hand after the handshake, so that every level and DANE have the same way.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: minimumVersion,
    ...(isIP(serverName) === 0 && host.path === undefined ? { servername: serverName } : {}),
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

function certificateOf(socket: TLSSocket, names: readonly string[]): HopCertificate {
  const peer = socket.getPeerCertificate(true);
  const standsFor = (name: string): boolean =>
    Object.keys(peer).length > 0 && checkServerIdentity(name, peer as PeerCertificate) === undefined;
  const error = socket.authorizationError as Error | string | null | undefined;
  return {
    chain: chainOf(peer),
    distrust: socket.authorized
      ? undefined
      : String((error as Error | undefined)?.message ?? error ?? 'not trusted'),
    hasName: names.some(standsFor),
  };
}

function usualProblem({ distrust, hasName }: HopCertificate): string | undefined {
  return distrust ?? (hasName ? undefined : 'it does not stand for the name of the host');
}

/** A certificate that vouches for itself names itself as its issuer, without end. */
function chainOf(peer: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  const seen = new Set<string>();
  let at: DetailedPeerCertificate | undefined = peer;
  while (at?.raw !== undefined && !seen.has(at.fingerprint256) && chain.length < MAX_CHAIN) {
    seen.add(at.fingerprint256);
    chain.push(at.raw);
    at = at.issuerCertificate;
  }
  return chain;
}
