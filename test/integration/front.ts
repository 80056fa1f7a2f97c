/** Clients of tests with another server in front of the daemon. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Not the address of the servers in front, which connect from 127.0.0.1 or by a Unix socket. */
export const CLIENT = '127.0.0.9';

/** A socket that is connected, as soon as a program listens on the host of its family, for at most a minute. */
export async function connected(port: number, localAddress = CLIENT): Promise<Socket> {
  const host = localAddress.includes(':') ? '::1' : '127.0.0.1';
  for (let tries = 0; tries < 1_200; tries++) {
    const socket = connect({ port, host, localAddress, allowHalfOpen: true });
    const isConnected = await new Promise<boolean>((settle) => {
      socket.once('connect', () => settle(true)).on('error', () => settle(false));
    });
    if (isConnected) return socket;
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}

/** All that a client reads that says everything at once and closes its side: half a connection is enough for the replies. */
export async function sayAtOnce(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (octets) => (text += String(octets)));
  socket.end('EHLO c.example\r\nQUIT\r\n');
  await once(socket, 'close');
  return text;
}

/** The replies to that. */
export const BANNER_TO_QUIT = /^220 [^]*\r\n250 [^]*\r\n221 [^]*\r\n$/;
