/** Outgoing connections for plugins: TCP, TLS, Unix sockets. */

import { connect as connectSocket, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import {
  connectProblem,
  type BeginOptions,
  type Connect,
  type ConnectionStream,
  type ConnectOptions,
  type ConnectTarget,
  type ConnectTls,
  type Duplex,
} from '../../bindings/plugin/connect.ts';
import { secure, tlsOptions } from './tls-handshake.ts';

/** Node would make a buffer for each read. */
const READS = Buffer.allocUnsafeSlow(16_384);

function open(target: ConnectTarget, { timeoutMs, signal, tls }: ConnectOptions): Promise<Duplex> {
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
}

function begin(target: ConnectTarget, { onOctets }: BeginOptions = {}): ConnectionStream {
  const onread: OnReadOpts | undefined =
    onOctets === undefined
      ? undefined
      : {
          buffer: READS,
          callback: (octets) => {
            onOctets(READS.subarray(0, octets));
            return true;
          },
        };
  return connectSocket(onread === undefined ? target : { ...target, onread }).setNoDelay(true);
}

function check({ authorities, certificate, key }: Parameters<Connect['check']>[0]): void {
  createSecureContext({ ca: authorities, cert: certificate, key });
}

export const connect: Connect = Object.assign(open, { begin, secure, check });

/** Errors of `plain` are told by the secured socket. */
function secured(plain: Socket, target: ConnectTarget, tls: ConnectTls): Socket {
  const name = tls.serverName ?? ('host' in target ? target.host : undefined);
  if (name === undefined) throw new TypeError('TLS over a Unix socket needs a serverName');
  return connectTls({ ...tlsOptions(tls, name), socket: plain, host: name, rejectUnauthorized: true });
}
