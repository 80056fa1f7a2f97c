/**
 * The listening sockets of a primary: bound before there is a worker, and kept until all of them have left. Workers get their
 * descriptors with the fork and ask for nothing; so may a process that takes the place of this one.
 */

import net, { isIP } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { canWorkersInherit, inheritedSockets, type HeldSocket } from './inherited-sockets.ts';
import { parseListen, type ListenSpec } from './listen-spec.ts';
import { cannotListen, nameSocket } from './socket-acceptor.ts';
import { SocketPath } from './socket-path.ts';

/** A bound socket of Node's, which does not document it. */
interface BoundHandle {
  readonly fd: number;
  getsockname?(into: { port?: number }): number;
  close(): void;
}

/** Binds, and does not listen: whoever listens accepts. Returns the number of the error if it fails. */
type Bind = (
  address: string,
  port: number,
  addressType: number,
  fd?: number,
  flags?: number,
) => BoundHandle | number;

function findBind(): Bind | undefined {
  const { _createServerHandle: bind } = net as unknown as { readonly _createServerHandle?: unknown };
  return typeof bind === 'function' && canWorkersInherit ? (bind as Bind) : undefined;
}

export class HeldSockets {
  readonly sockets: readonly HeldSocket[];
  readonly #handles: readonly BoundHandle[];
  readonly #paths: readonly SocketPath[];
  #isClosed = false;

  private constructor(
    sockets: readonly HeldSocket[],
    handles: readonly BoundHandle[],
    paths: readonly SocketPath[],
  ) {
    this.sockets = sockets;
    this.#handles = handles;
    this.#paths = paths;
  }

  /**
   * Binds what was not inherited. Throws `Q_LISTEN` with the remedy. Undefined where this Node has no way to bind for others:
   * workers have to do it then.
   */
  static bind(listen: readonly string[]): HeldSockets | undefined {
    const bind = findBind();
    if (bind === undefined) return undefined;
    const handles: BoundHandle[] = [];
    const paths: SocketPath[] = [];
    const sockets = listen.map((text): HeldSocket => {
      const spec = parseListen(text);
      const path = spec.kind === 'unix' ? new SocketPath(spec) : undefined;
      // What the starter has opened is bound.
      const inherited = inheritedSockets.take(spec) ?? (spec.kind === 'fd' ? spec.fd : undefined);
      const handle = inherited === undefined ? open(bind, spec, path) : undefined;
      if (handle !== undefined) handles.push(handle);
      if (path !== undefined) {
        nameSocket(spec, path, inherited !== undefined);
        paths.push(path);
      }
      return { listen: text, fd: inherited ?? handle!.fd };
    });
    return new HeldSockets(sockets, handles, paths);
  }

  /** `arePassedOn`: another process has them as well, and files of Unix sockets are its own. */
  close(arePassedOn: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const path of this.#paths) if (arePassedOn) path.passOn();
    for (const path of this.#paths) path.remove();
    for (const handle of this.#handles) handle.close();
  }
}

function open(bind: Bind, spec: ListenSpec, path: SocketPath | undefined): BoundHandle {
  const [address, port, type] =
    spec.kind === 'tcp'
      ? ([spec.address, spec.port, isIP(spec.address)] as const)
      : ([path?.draft ?? '', -1, -1] as const);
  const handle = bind(address, port, type, -1, 0);
  if (typeof handle === 'number') throw cannotListen(spec, systemError(getSystemErrorName(handle)));
  if (spec.kind === 'tcp' && !isBoundTo(handle, spec.port)) {
    handle.close();
    throw cannotListen(spec, systemError('EADDRINUSE'));
  }
  return handle;
}

/** That an address is in use shows when its socket listens; until then it seems to be bound, to no port. */
function isBoundTo(handle: BoundHandle, port: number): boolean {
  const bound: { port?: number } = {};
  handle.getsockname?.(bound);
  return port === 0 || bound.port === port;
}

const systemError = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'bind' });
