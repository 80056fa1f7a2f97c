/** Servers that play a daemon of a mail system, badly where a test wants it. */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';

const open: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of open.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** Listens on `path`, or on a free port of 127.0.0.1, whose number it resolves with. */
export async function serve(play: (socket: Socket) => void, path?: string): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
    play(socket);
  });
  open.push(server);
  const at = path === undefined ? { port: 0, host: '127.0.0.1' } : { path };
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

/** A port nobody listens on. */
export async function closedPort(): Promise<number> {
  const port = await serve(() => undefined);
  const server = open.pop()!;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Collects what arrives and asks `isWhole` each time; `then` is called once. */
export function collect(
  socket: Socket,
  isWhole: (octets: Buffer) => boolean,
  then: (octets: Buffer) => void,
): void {
  let octets = Buffer.alloc(0);
  socket.on('data', (block) => {
    const before = isWhole(octets);
    octets = Buffer.concat([octets, block]);
    if (!before && isWhole(octets)) then(octets);
  });
}
