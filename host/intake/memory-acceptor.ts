/** Takes clients from the same process, such as tests. */

import { duplexPair, type Duplex } from 'node:stream';
import type {
  Acceptor,
  Emit,
  Endpoint,
  IncomingConnection,
  ListenerOptions,
  Login,
} from './incoming-connection.ts';

export interface MemoryClient {
  /** Address the session takes the client for; default 127.0.0.1. */
  readonly address?: string;
  readonly port?: number;
  /** The client is known from the beginning. */
  readonly login?: Login;
  /** What a line in `listeners` would say of it. */
  readonly listener?: ListenerOptions;
}

/** Hands over a client of this process, and returns its end of the stream. */
export function connectInMemory(
  emit: Emit,
  client: Omit<IncomingConnection, 'stream' | 'outlivesStream'>,
): Duplex {
  const [clientEnd, serverEnd] = duplexPair({ allowHalfOpen: true });
  serverEnd.on('error', () => undefined);
  clientEnd.on('error', () => undefined);
  // As with a socket: when one end is destroyed, the other learns of it.
  clientEnd.once('close', () => serverEnd.destroy());
  serverEnd.once('close', () => {
    if (!serverEnd.writableFinished) clientEnd.destroy();
  });
  emit({ ...client, stream: serverEnd, outlivesStream: false });
  return clientEnd;
}

export class MemoryAcceptor implements Acceptor {
  readonly #listener: ListenerOptions | undefined;
  #emit: Emit | undefined;

  /** What the line of a listener would say of its clients. */
  constructor(listener?: ListenerOptions) {
    this.#listener = listener;
  }

  get needsTls(): boolean {
    return this.#listener?.startsWithTls === true;
  }

  get service(): string | undefined {
    return this.#listener?.service;
  }

  bind(): Promise<string> {
    return Promise.resolve('memory:');
  }

  open(emit: Emit): void {
    this.#emit = emit;
  }

  close(): Promise<void> {
    this.#emit = undefined;
    return Promise.resolve();
  }

  /** Connects a client and returns its end of the stream. Throws if the acceptor is not open. */
  connect({ address = '127.0.0.1', port = 40_000, login, listener }: MemoryClient = {}): Duplex {
    if (this.#emit === undefined) throw new Error('the memory acceptor is closed');
    const peer: Endpoint = { address, port };
    return connectInMemory(this.#emit, {
      hops: ['memory'],
      peer,
      remote: peer,
      local: { address: '127.0.0.1', port: 25 },
      listener: listener ?? this.#listener,
      ...(login && { login }),
    });
  }
}
