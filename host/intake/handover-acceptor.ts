/** Takes connections that somebody else has accepted: sockets of a `net.Server`, or any stream. */

import { createServer, Socket, type Server, type ServerOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import {
  endpoint,
  type Acceptor,
  type Emit,
  type Endpoint,
  type IncomingConnection,
  type ListenerOptions,
} from './incoming-connection.ts';
import { takeListenerOptions } from './listener-options.ts';
import { OptionList } from './option-list.ts';

/** Under another name, for the folders that may not touch `net`. */
export type {
  ListenOptions,
  Server as NetServer,
  ServerOpts as NetServerOptions,
  Socket as NetSocket,
} from 'node:net';

/** A server whose sockets go to `take`. Half-open: a client may close its side after QUIT and still read the replies. */
export const makeNetServer = (options: ServerOpts, take: (socket: Socket) => void): Server =>
  createServer({ ...options, allowHalfOpen: true, noDelay: true, pauseOnConnect: false }, take);

/** What is known of a connection that is handed over. What is left out is asked of the socket, or unknown. */
export interface HandedFacts {
  /** The other end of the stream. Without it, that of the socket; any other stream counts as from 127.0.0.1. */
  readonly peer?: Endpoint | undefined;
  /** The client, where it is not the other end. Trust (`xclient_hosts` and the like) goes by `peer` all the same. */
  readonly remote?: Endpoint | undefined;
  readonly local?: Endpoint | undefined;
  /** TLS that has been ended before. */
  readonly tls?: TlsFacts | undefined;
  /** The client's name, which saves the reverse lookup. */
  readonly host?: string | undefined;
  readonly listener?: ListenerOptions | undefined;
}

/** The options of a listen spec without its address: `tls=implicit proxy=required`. Throws `Q_USAGE`. */
export const parseListenerOptions = (options: string): ListenerOptions =>
  takeListenerOptions(new OptionList(options, options.split(/[ \t]+/).filter(Boolean)), false);

export class HandoverAcceptor implements Acceptor {
  #emit: Emit | undefined;
  /** How to let go of each server. */
  readonly #detachments = new Set<() => void>();
  /** Those that came before `open`. */
  #early: IncomingConnection[] = [];
  #isClosed = false;

  bind(): Promise<string> {
    return Promise.resolve('handover:');
  }

  open(emit: Emit): void {
    this.#emit = emit;
    const early = this.#early;
    this.#early = [];
    for (const intake of early) emit(intake);
  }

  /** The servers stay open: they belong to somebody else. Sockets they accept from now on are not served. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#emit = undefined;
    for (const detach of this.#detachments) detach();
    for (const { stream } of this.#early) stream.destroy();
    return Promise.resolve();
  }

  /** Serves every socket that `server` accepts from now on; returns how to stop that. */
  attach(server: Server, take: (socket: Socket) => void): () => void {
    const onConnection = (socket: Socket): void => take(socket);
    server.on('connection', onConnection);
    const detach = (): void => {
      server.off('connection', onConnection);
      this.#detachments.delete(detach);
    };
    this.#detachments.add(detach);
    if (this.#isClosed) detach();
    return detach;
  }

  /** Takes over `stream`, which nobody may read from or write to any more. It is destroyed if nobody serves any more. */
  accept(stream: Duplex, facts: HandedFacts = {}): void {
    // Without this a reset would end the process; the session learns of the end by 'close'.
    stream.on('error', () => undefined);
    if (this.#isClosed || isReset(stream)) {
      stream.destroy();
      return;
    }
    const intake = incomingOf(stream, facts);
    if (this.#emit === undefined) this.#early.push(intake);
    else this.#emit(intake);
  }
}

function incomingOf(stream: Duplex, facts: HandedFacts): IncomingConnection {
  const { tls, host, listener } = facts;
  const ends = endsOf(stream);
  const peer = facts.peer ?? ends.peer;
  return {
    stream,
    outlivesStream: stream.constructor === Socket,
    hops: tls === undefined ? [ends.hop] : [ends.hop, 'tls'],
    peer,
    remote: facts.remote ?? peer,
    local: facts.local ?? ends.local,
    listener,
    ...(tls === undefined ? {} : { tls }),
    ...(host === undefined ? {} : { host }),
  };
}

/** A socket of TCP has an address at its own end, even if the client was gone before it was accepted. */
const isReset = (stream: Duplex): boolean =>
  stream instanceof Socket && stream.remoteAddress === undefined && stream.localAddress !== undefined;

const THIS_HOST: Endpoint = { address: '127.0.0.1', port: 0 };

function endsOf(stream: Duplex): { readonly hop: string; readonly peer: Endpoint; readonly local: Endpoint } {
  if (!(stream instanceof Socket)) return { hop: 'memory', peer: THIS_HOST, local: THIS_HOST };
  const { remoteAddress, remotePort = 0, localAddress = '', localPort = 0 } = stream;
  if (remoteAddress !== undefined)
    return {
      hop: 'tcp',
      peer: endpoint(remoteAddress, remotePort),
      local: endpoint(localAddress, localPort),
    };
  // The ends of a Unix socket have no address.
  const path = { ...THIS_HOST, path: 'handover:' };
  return { hop: 'unix', peer: path, local: path };
}
