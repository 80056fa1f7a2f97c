/**
 * Sessions inside HTTP/1.1: `Upgrade: smtp` (RFC 9110 section 7.8), and CONNECT (section 9.3.6), which leads here whatever it
 * asks for. The octets after the head of the request are SMTP.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HttpFront } from './http-front.ts';
import { HttpRefusal } from './http-refusal.ts';

export const UPGRADE_PATH = '/smtp';
/** The protocol in the field Upgrade. */
export const SMTP = 'smtp';

/** What a plain request, or one for another protocol, is told. RFC 9110 section 15.5.22. */
export const upgradeRequired = (): HttpRefusal =>
  new HttpRefusal(426, 'ask for a session with "Connection: Upgrade" and "Upgrade: smtp"', {
    Upgrade: SMTP,
    Connection: 'Upgrade, close',
  });

/** The protocols that a request would change to. Their names, without versions, in lower case. */
export function upgradesOf({ headers: { upgrade = '' } }: IncomingMessage): readonly string[] {
  return upgrade.split(',').map((protocol) => protocol.trim().toLowerCase());
}

/**
 * Throws an `HttpRefusal` for a request that can't become a tunnel without doubt about where it ends. A proxy that sees its end
 * elsewhere would pass the octets of one client on as a request or a session of another (request smuggling).
 */
export function requireBareRequest({ httpVersion, headers }: IncomingMessage, head: Buffer): void {
  // RFC 9110 section 7.8: Upgrade means nothing in HTTP/1.0.
  if (httpVersion !== '1.1') throw new HttpRefusal(400, 'a session can only begin in HTTP/1.1');
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
    throw new HttpRefusal(400, 'a request that begins a session has no content');
  if (/^[A-Z]+ [^\r\n]* HTTP\/\d\.\d\r?\n/.test(head.toString('latin1', 0, 4_096)))
    throw new HttpRefusal(400, 'no request may follow the one that begins a session');
}

/** Answers with `response`, a whole head with its empty line, and hands the socket over as a session. */
function openTunnel(
  front: HttpFront,
  { request, socket, head }: UpgradeRequest,
  hop: string,
  response: string,
): void {
  const client = front.clientOf(request);
  front.release(socket);
  socket.write(response);
  // What came early is the session's to judge: a client has to wait for the banner. RFC 5321 section 3.1.
  if (head.length > 0) socket.unshift(head);
  front.emit({ ...client, stream: socket, outlivesStream: true, hops: [...client.hops, 'http', hop] });
}

/** A request that left HTTP, and what came after its head. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

export function openUpgrade(front: HttpFront, upgrade: UpgradeRequest): void {
  if (upgrade.request.method !== 'GET')
    throw new HttpRefusal(405, 'a session begins with GET', { Allow: 'GET' });
  openTunnel(
    front,
    upgrade,
    'upgrade',
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${SMTP}\r\n\r\n`,
  );
}

/** Never dials out: a target that was believed would make an open proxy of the daemon. */
export function openConnect(front: HttpFront, connect: UpgradeRequest): void {
  if (!front.http.connect) throw new HttpRefusal(405, 'CONNECT is not offered here', { Allow: 'GET, POST' });
  openTunnel(front, connect, 'connect', 'HTTP/1.1 200 Connection Established\r\n\r\n');
}
