/** A web server of a test on loopback: keeps what it was sent, answers what it is told. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly octets: Buffer;
}

export interface WebServer {
  readonly url: string;
  readonly port: number;
  readonly seen: Seen[];
  /** Connections so far. */
  connections: number;
}

export type Answer = (response: ServerResponse, seen: Seen, request: IncomingMessage) => void;

const ok: Answer = (response) => response.writeHead(200).end('fine');

/** Answers when it has read the whole request. */
export async function webServer(
  answer: Answer = ok,
  tls?: { certificate: string; key: string },
): Promise<WebServer> {
  const result: WebServer = { url: '', port: 0, seen: [], connections: 0 };
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const blocks: Buffer[] = [];
    request.on('data', (block: Buffer) => blocks.push(block));
    request.on('end', () => {
      const seen = { path: request.url!, headers: request.headers, octets: Buffer.concat(blocks) };
      result.seen.push(seen);
      answer(response, seen, request);
    });
  };
  const server =
    tls === undefined
      ? createServer(serve)
      : createSecureServer({ cert: tls.certificate, key: tls.key }, serve);
  server.on('connection', () => result.connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/inbound`;
  return Object.assign(result, { url, port });
}

/** A server that is no web server: `serve` does with the socket what it wants. */
export async function tcpServer(serve: (socket: Socket, count: number) => void): Promise<number> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket, count++);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
