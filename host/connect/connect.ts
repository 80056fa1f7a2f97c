/** Outgoing connections for plugins: TCP, TLS, Unix sockets. */

import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Connect, ConnectTarget, ConnectTls } from '../../bindings/plugin/connect.ts';
import { connectProblem } from '../errors/error-classes.ts';

export const connect: Connect = (target, { timeoutMs, signal, tls }) => {
  if (signal?.aborted === true) return Promise.reject(new Error('no time is left'));
  return new Promise((resolve, reject) => {
    const plain = connectSocket(target);
    const socket = tls === undefined ? plain : secured(plain, target, tls);
    const settle = (failure?: Error): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      socket.removeAllListeners('secureConnect').removeAllListeners('connect').off('error', fail);
      if (failure === undefined) return resolve(socket);
      for (const stream of [socket, plain]) stream.on('error', () => undefined).destroy();
      reject(failure);
    };
    const fail = (cause: Error): void =>
      settle(new Error(connectProblem(cause, 'port' in target ? target.port : undefined), { cause }));
    const giveUp = (): void => settle(new Error('no connection within its time'));
    const timer = setTimeout(giveUp, timeoutMs);
    signal?.addEventListener('abort', giveUp, { once: true });
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => settle());
    socket.on('error', fail);
  });
};

/** Errors of `plain` are told by the secured socket. */
function secured(plain: Socket, target: ConnectTarget, tls: ConnectTls): Socket {
  const name = tls.serverName ?? ('host' in target ? target.host : undefined);
  if (name === undefined) throw new TypeError('TLS over a Unix socket needs a serverName');
  const { authorities, certificate, key, minimumVersion = 'TLSv1.2' } = tls;
  return connectTls({
    socket: plain,
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    minVersion: minimumVersion,
    rejectUnauthorized: true,
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificate === undefined ? {} : { cert: certificate, key }),
  });
}
