/** Connections to the daemons of a mail system. */

import { connectProblem } from '../../errors/error-classes.ts';
import { connect as connectSocket, type NetConnectOpts, type Socket } from 'node:net';

/** The connected socket, or why there is none. Never rejects; the caller listens to its errors from then on. */
export function connect(
  to: NetConnectOpts,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket | string> {
  if (signal.aborted) return Promise.resolve('no time is left');
  return new Promise((resolve) => {
    const socket = connectSocket(to);
    const settle = (result: Socket | string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      socket.removeAllListeners();
      if (typeof result === 'string') socket.on('error', () => undefined).destroy();
      resolve(result);
    };
    const giveUp = (): void => settle('no connection within its time');
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('connect', () => settle(socket));
    socket.once('error', (cause) => settle(connectProblem(cause, 'port' in to ? to.port : undefined)));
  });
}
