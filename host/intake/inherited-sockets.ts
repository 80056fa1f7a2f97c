/**
 * Listening sockets that another process of ours has bound and passed on: a primary to its workers, a daemon to the one that takes
 * its place. They are known by where they listen, as the operator wrote it, so each process finds its own by its own listen specs.
 */

import cluster from 'node:cluster';
import { closeSync } from 'node:fs';
import { Server, type ListenOptions } from 'node:net';
import { parseListen, printPlace, type ListenSpec } from './listen-spec.ts';

/** A listening socket, and the descriptor it has in this process, or will have in the one that gets it. */
export interface HeldSocket {
  /** The whole listen spec. */
  readonly listen: string;
  readonly fd: number;
}

/** What the environment of a process has to say of the sockets that it gets. */
export function environmentOf(sockets: readonly HeldSocket[]): Readonly<Record<string, string>> {
  return { QPSMTPD_SOCKETS: JSON.stringify(sockets) };
}

/** The same for two listeners on one socket, whatever their options say, and whatever is spoken there. */
const placeOf = (spec: ListenSpec): string => printPlace({ ...spec, http: undefined });

class InheritedSockets {
  #sockets: HeldSocket[] = [];

  /**
   * Reads what the environment says, and takes it out, so that no program we start takes it for its own. `isForUs`: no other process
   * has left it there.
   */
  receive(environment: NodeJS.ProcessEnv, isForUs: boolean): readonly HeldSocket[] {
    const text = environment['QPSMTPD_SOCKETS'];
    delete environment['QPSMTPD_SOCKETS'];
    return (this.#sockets = isForUs && text !== undefined ? (JSON.parse(text) as HeldSocket[]) : []);
  }

  has(spec: ListenSpec): boolean {
    return this.#find(spec) !== undefined;
  }

  /** The descriptor of a socket that listens there, for one listener; undefined: there is none. */
  take(spec: ListenSpec): number | undefined {
    const found = this.#find(spec);
    this.#sockets = this.#sockets.filter((socket) => socket !== found);
    return found?.fd;
  }

  #find(spec: ListenSpec): HeldSocket | undefined {
    const place = placeOf(spec);
    return this.#sockets.find(({ listen }) => placeOf(parseListen(listen)) === place);
  }

  /** Clients would wait there for ever. Returns the listen specs. */
  closeRest(): readonly string[] {
    const rest = this.#sockets;
    this.#sockets = [];
    for (const { fd } of rest) closeSync(fd);
    return rest.map(({ listen }) => listen);
  }
}

/** Those of this process. */
export const inheritedSockets = new InheritedSockets();

/** What Node has behind `listen`, and does not document. */
interface BareServer {
  _listen2(address: null, port: null, addressType: null, backlog: number, fd: number): void;
}

/** True if workers can listen on descriptors of their own. */
export const canWorkersInherit = '_listen2' in Server.prototype;

/** Events follow as after `listen`. Node takes the descriptor of a worker for one of its primary; this takes it as it is. */
export function listenOn(server: Server, where: ListenOptions & { readonly fd?: number }): void {
  const { fd, backlog = 511 } = where;
  if (fd !== undefined && cluster.isWorker)
    (server as unknown as BareServer)._listen2(null, null, null, backlog, fd);
  else server.listen(where);
}
