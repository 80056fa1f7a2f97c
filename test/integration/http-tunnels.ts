/** Clients that speak SMTP inside HTTP, through whatever serves HTTP on a port. */

import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { createWebSocketStream, WebSocket } from 'ws';
import { answerOf } from '../tls/secure-server.ts';
import { CLIENT, connected } from './front.ts';

export interface TunnelOptions {
  readonly isSecure?: boolean;
  /** Header fields that the client adds to its request. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Octets that come with the request. */
  readonly early?: string;
}

/** Makes a stream of SMTP of a request; what the server says is still to be read. */
export type Tunnel = (port: number, options?: TunnelOptions) => Promise<Duplex>;

async function socketTo(port: number, isSecure = false): Promise<Socket> {
  const socket = await connected(port);
  if (!isSecure) return socket;
  const secured = connectTls({ socket, servername: 'mx.example.com', rejectUnauthorized: false });
  secured.on('error', () => undefined);
  await once(secured, 'secureConnect');
  return secured;
}

/** Sends a request over HTTP/1.1 and returns its socket, without the head of the response. */
async function ask(port: number, request: readonly string[], options: TunnelOptions): Promise<Duplex> {
  const { fields = {}, early = '', isSecure } = options;
  const socket = await socketTo(port, isSecure);
  const lines = [...request, ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`)];
  const head = await answerOf(socket, `${lines.join('\r\n')}\r\n\r\n${early}`, /\r\n\r\n/);
  if (!/^HTTP\/1\.1 (101|200) /.test(head)) throw new Error(head);
  const end = head.indexOf('\r\n\r\n') + 4;
  if (head.length > end) socket.unshift(Buffer.from(head.slice(end), 'latin1'));
  return socket;
}

export const upgrade: Tunnel = (port, options = {}) =>
  ask(port, ['GET /smtp HTTP/1.1', 'Host: mx.example.com', 'Connection: Upgrade', 'Upgrade: smtp'], options);

export const connectMethod: Tunnel = (port, options = {}) =>
  ask(port, ['CONNECT mx.example.com:25 HTTP/1.1', 'Host: mx.example.com:25'], options);

export const webSocket: Tunnel = async (port, { isSecure = false, fields = {} } = {}) => {
  (await connected(port)).destroy();
  const socket = new WebSocket(`${isSecure ? 'wss' : 'ws'}://127.0.0.1:${port}/ws`, 'smtp', {
    perMessageDeflate: false,
    localAddress: CLIENT,
    rejectUnauthorized: false,
    headers: fields,
  });
  const stream = createWebSocketStream(socket).on('error', () => undefined);
  await once(socket, 'open');
  return stream;
};

/** RFC 8441. */
export const extendedConnect: Tunnel = async (port, { fields = {} } = {}) => {
  const socket = await connected(port);
  const session = connectHttp2('http://mx.example.com', { createConnection: () => socket });
  await once(session, 'remoteSettings');
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'smtp', ':scheme': 'http', ':path': '/smtp', ...fields },
    { endStream: false },
  );
  stream.once('close', () => session.destroy());
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }];
  if (headers[':status'] !== 200) throw new Error(`status ${headers[':status']}`);
  return stream;
};
