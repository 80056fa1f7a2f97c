/** TLS as the client of a stream that stands. RFC 3207, RFC 7672 section 8, RFC 9525. */

import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  checkServerIdentity,
  connect,
  type ConnectionOptions,
  type DetailedPeerCertificate,
  type TLSSocket,
} from 'node:tls';
import type { ConnectTls, PeerCertificate, SecuredStream, SecureTls } from '../../bindings/plugin/connect.ts';

/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 10;

/** Node's options for both ways to TLS. An address is no server name. RFC 6066 section 3. */
export function tlsOptions(
  { authorities, certificate, key, minimumVersion = 'TLSv1.2' }: ConnectTls,
  serverName: string | undefined,
): ConnectionOptions {
  return {
    minVersion: minimumVersion,
    ...(serverName !== undefined && isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

/** See `Connect.secure`. */
export function secure(plain: Duplex, tls: SecureTls): Promise<SecuredStream> {
  const { serverName, names = serverName === undefined ? [] : [serverName], isJudgedByCaller } = tls;
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...tlsOptions(tls, serverName),
      // Judged after the handshake, so that several names and DANE have the same way.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      socket: plain,
    });
    // Stays where it is: an error with nobody to hear it would end the process.
    socket.on('error', reject);
    const giveUp = (): void => reject(new Error('closed during the handshake'));
    socket.once('close', giveUp);
    socket.once('secureConnect', () => {
      socket.off('close', giveUp);
      const peer = peerOf(socket, names);
      const problem = isJudgedByCaller === true ? undefined : problemWith(peer);
      if (problem === undefined)
        return resolve({ stream: socket, peer, protocol: socket.getProtocol() ?? '' });
      socket.destroy();
      reject(new Error(problem));
    });
  });
}

const problemWith = ({ distrust, hasName }: PeerCertificate): string | undefined =>
  distrust ?? (hasName ? undefined : 'the certificate does not stand for the name');

function peerOf(socket: TLSSocket, names: readonly string[]): PeerCertificate {
  const peer = socket.getPeerCertificate(true);
  const standsFor = (name: string): boolean =>
    Object.keys(peer).length > 0 && checkServerIdentity(name, peer) === undefined;
  const error = socket.authorizationError as Error | string | null | undefined;
  return {
    chain: chainOf(peer),
    distrust: socket.authorized
      ? undefined
      : String((error as Error | undefined)?.message ?? error ?? 'not trusted'),
    hasName: names.some(standsFor),
  };
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
