/** Servers that play a daemon of a mail system, badly where a test wants it. */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

const closed = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve));

/**
 * Listens on `path`, or on a free port of 127.0.0.1, whose number it resolves with, until the test is over.
 */
export async function serve(play: (socket: Socket) => void, path?: string): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
    play(socket);
  });
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await closed(server);
  });
  const at = path === undefined ? { port: 0, host: '127.0.0.1' } : { path };
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return path === undefined ? (server.address() as AddressInfo).port : 0;
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
