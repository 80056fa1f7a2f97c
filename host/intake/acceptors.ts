/** The acceptor of each kind of listener. */

import type { Acceptor } from './incoming-connection.ts';
import type { ListenSpec } from './listen-spec.ts';
import { SocketAcceptor } from './socket-acceptor.ts';
import { StdinAcceptor } from './stdin-acceptor.ts';

/** Opens nothing: `bind` does. */
export function createAcceptor(spec: ListenSpec): Acceptor {
  switch (spec.kind) {
    case 'tcp':
    case 'unix':
    case 'fd':
    case 'fdname':
      return new SocketAcceptor(spec);
    case 'stdin':
      return new StdinAcceptor(spec);
  }
}
