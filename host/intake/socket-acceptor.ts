/** Listens on TCP and Unix sockets, also on those that the starter has opened. */

import cluster from 'node:cluster';
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { constants } from 'node:os';
import { yieldTurn } from '../../bindings/timing/turn.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { ownUser, troubleAt } from '../errors/system-trouble.ts';
import { descriptorLimit, LAST_DESCRIPTORS } from './acceptance.ts';
import {
  endpoint,
  type Acceptor,
  type Emit,
  type Endpoint,
  type IncomingConnection,
  type ListenerOptions,
  type ListenerWatch,
} from './incoming-connection.ts';
import { inheritedSockets, listenOn } from './inherited-sockets.ts';
import { printListen, type ListenSpec, type UnixSpec } from './listen-spec.ts';
import { refuseLmtpAt } from './listener-options.ts';
import { checkDescriptor, NOT_LISTENING, pathOfSocket } from './passed-sockets.ts';
import { SocketPath } from './socket-path.ts';

/** Connections the kernel keeps for us while the process is busy. */
const BACKLOG = 511;

const { errno } = constants;

/** Errors of one accept(2), which leave the listener as it was: the client is gone, or the system is out of something. */
const GONE: ReadonlySet<string> = new Set([
  'ECONNABORTED',
  'ECONNRESET',
  'EPROTO',
  'EINTR',
  'EAGAIN',
  'EPERM',
]);
const OUT_OF: ReadonlyMap<string, string> = new Map([
  ['EMFILE', 'no descriptor left in this process (EMFILE)'],
  ['ENFILE', 'no descriptor left in the system (ENFILE)'],
  ['ENOBUFS', 'no memory left for sockets (ENOBUFS)'],
  ['ENOMEM', 'no memory left for sockets (ENOMEM)'],
]);

export class SocketAcceptor implements Acceptor {
  readonly #spec: ListenSpec;
  #server: Server;
  #emit: Emit | undefined;
  #watch: ListenerWatch | undefined;
  /** Clients that came between `bind` and `open`: a few milliseconds, while the plugins are loaded. */
  #early: IncomingConnection[] = [];
  /** Our end of every connection; undefined if the listener takes those to any address of this host. */
  #local: Endpoint | undefined = undefined;
  /** The path of a Unix socket; undefined: the listener is one of TCP. */
  #path: string | undefined;
  #isClosed = false;
  /** Clients so far. */
  #accepted = 0;
  /** The file of a Unix socket, if this process has to remove it. */
  readonly #file: SocketPath | undefined;
  /** A descriptor with this number shows that hardly any is left: the kernel hands out the lowest that is free. */
  readonly #lastDescriptor = descriptorLimit() - LAST_DESCRIPTORS;

  constructor(spec: ListenSpec) {
    this.#spec = spec;
    this.#path = spec.kind === 'unix' ? spec.path : undefined;
    // For workers the primary has bound it.
    this.#file = spec.kind === 'unix' && cluster.isPrimary ? new SocketPath(spec) : undefined;
    this.#server = this.#createServer();
  }

  #createServer(): Server {
    // Half-open: a client may shut down its side after a pipelined QUIT and still read the replies.
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: false });
    return server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  get needsTls(): boolean {
    return this.#spec.startsWithTls === true;
  }

  get service(): string | undefined {
    return this.#spec.service;
  }

  async bind(): Promise<string> {
    if (this.#server.listening) return this.#address();
    const spec = this.#spec;
    const fd = inheritedSockets.take(spec);
    await this.#listen(fd === undefined ? placeOf(spec, this.#file) : { fd });
    // Of a socket that was passed the port shows only now.
    const bound = this.#server.address();
    if (bound !== null && typeof bound === 'object') refuseLmtpAt(bound.port, spec, printListen(spec));
    if (this.#file !== undefined) nameSocket(spec, this.#file, fd !== undefined);
    return this.#address();
  }

  /** Undefined: it does not listen, or Node does not tell. */
  get descriptor(): number | undefined {
    const fd = handleOf(this.#server)?.fd ?? -1;
    return fd < 0 ? undefined : fd;
  }

  async #listen(where: ListenOptions & { readonly fd?: number }): Promise<void> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(this.#spec, cause)));
      server.once('listening', resolve);
      listenOn(server, { ...where, backlog: BACKLOG });
    });
    server.removeAllListeners('error').on('error', (cause) => this.#fail(cause));
  }

  #address(): string {
    const spec = this.#spec;
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') {
      // Node does not know where a Unix socket is that it was given.
      const path = this.#path ?? pathOfSocket(handleOf(this.#server)?.fd);
      this.#path = path ?? printListen(spec);
      return path === undefined ? printListen(spec) : printListen({ ...spec, kind: 'unix', path, mode: 0 });
    }
    const { address, port } = bound;
    const local = endpoint(address, port);
    if (!isAnyAddress(local.address)) this.#local = local;
    return printListen({ ...spec, kind: 'tcp', address, port });
  }

  open(emit: Emit, watch?: ListenerWatch): void {
    this.#emit = emit;
    this.#watch = watch;
    const early = this.#early;
    this.#early = [];
    for (const intake of early) emit(intake);
  }

  /** Only listeners that a worker shares with others can, see docs/decisions/0004. */
  setPaused(isPaused: boolean): boolean {
    const handle = handleOf(this.#server);
    if (handle === undefined) return false;
    const started = handle.readStart();
    if (started !== 0 && started !== -errno.EALREADY) return false;
    return !isPaused || handle.readStop() === 0;
  }

  async close(isPassedOn = false): Promise<void> {
    await this.#acceptTheLast();
    this.#isClosed = true;
    if (isPassedOn) this.#file?.passOn();
    this.#file?.remove();
    for (const { stream } of this.#early) stream.destroy();
    // Its callback waits for the last connection; the listening itself ends at once.
    if (this.#server.listening) this.#server.close();
  }

  /**
   * Resolves when clients that are connected have been accepted, or are waiting in vain: the kernel resets those that are left
   * when the listener is closed. Each turn of the event loop accepts one; two without any mean that there is none.
   */
  async #acceptTheLast(): Promise<void> {
    let idleTurns = 0;
    for (let turn = 0; turn < BACKLOG && idleTurns < 2 && this.#server.listening; turn++) {
      const before = this.#accepted;
      await yieldTurn();
      idleTurns = this.#accepted === before ? idleTurns + 1 : 0;
    }
  }

  /** Errors after the start. None is swallowed: a daemon that listens no more must not look as if it did. */
  #fail(cause: NodeJS.ErrnoException): void {
    const code = cause.code ?? '';
    const want = OUT_OF.get(code);
    if (want !== undefined) this.#watch?.refused(want);
    else if (GONE.has(code)) this.#watch?.note(`a client could not be accepted: ${cause.message}`);
    else if (!this.#isClosed) void this.#reopen(cause);
  }

  /** The old listener would fail again at once, and for ever. */
  async #reopen(cause: Error): Promise<void> {
    const spec = this.#spec;
    if (spec.kind === 'fd' || spec.kind === 'fdname') {
      // The starter has opened it, and has to open it again.
      this.#watch?.lost(cannotListen(spec, cause));
      return;
    }
    const bound = this.#server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    this.#server.close();
    this.#server = this.#createServer();
    try {
      if (spec.kind === 'unix') await removeStaleSocket(spec);
      // In a worker the primary knows the listener by what was asked for first.
      const again = spec.kind === 'tcp' && spec.port === 0 && cluster.isPrimary ? port : undefined;
      if (again === undefined) await this.bind();
      else if (spec.kind === 'tcp') await this.#listen({ host: spec.address, port: again, ipv6Only: false });
      this.#watch?.note(`${printListen(spec)} was opened again: ${cause.message}`);
    } catch (error) {
      this.#watch?.lost(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #accept(socket: Socket): void {
    this.#accepted++;
    // Without this a reset would end the process.
    socket.on('error', ignore);
    // Reset before it was accepted: there is no client any more.
    if (this.#path === undefined && socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    if ((handleOf(socket)?.fd ?? 0) >= this.#lastDescriptor)
      this.#watch?.refused('hardly any descriptor left in this process');
    const intake =
      this.#path !== undefined
        ? overUnix(socket, this.#path, this.#spec)
        : overTcp(socket, this.#spec, this.#local ?? endpoint(socket.localAddress, socket.localPort));
    if (this.#emit === undefined) this.#early.push(intake);
    else this.#emit(intake);
  }
}

/** In a worker the primary does it, with its own descriptors: it has seen to it that they are what they should be. */
function placeOf(spec: ListenSpec, file: SocketPath | undefined): ListenOptions & { readonly fd?: number } {
  switch (spec.kind) {
    case 'tcp':
      return { host: spec.address, port: spec.port, ipv6Only: false };
    case 'unix':
      return { path: file?.draft ?? spec.path };
    case 'fd':
      if (cluster.isPrimary) checkDescriptor(spec.fd);
      return { fd: spec.fd };
    case 'fdname':
    case 'stdin':
      throw new QpsmtpdError('Q_LISTEN', `${printListen(spec)}: no socket was passed that it listens on`);
  }
}

/** Gives a socket that was bound its name, or takes over that of one that was inherited. Throws `Q_LISTEN`. */
export function nameSocket(spec: ListenSpec, file: SocketPath, isInherited: boolean): void {
  try {
    if (isInherited) file.inherit();
    else file.publish();
  } catch (cause) {
    throw cannotListen(spec, cause as NodeJS.ErrnoException);
  }
}

/** What Node has behind a server or socket, and does not document. */
interface NativeHandle {
  readonly fd?: number;
  readStart(): number;
  readStop(): number;
}

function handleOf(owner: Server | Socket): NativeHandle | undefined {
  const { _handle: handle } = owner as unknown as { readonly _handle?: Partial<NativeHandle> | null };
  const isWhole = typeof handle?.readStart === 'function' && typeof handle.readStop === 'function';
  return isWhole ? (handle as NativeHandle) : undefined;
}

function ignore(): void {
  // The session learns of the end by 'close'.
}

const OVER_TCP: readonly string[] = ['tcp'];
const OVER_UNIX: readonly string[] = ['unix'];

function overTcp(socket: Socket, listener: ListenerOptions, local: Endpoint): IncomingConnection {
  const peer = endpoint(socket.remoteAddress, socket.remotePort);
  return {
    stream: socket,
    outlivesStream: true,
    hops: OVER_TCP,
    peer,
    remote: peer,
    local,
    listener,
  };
}

/** A client on a Unix socket is on this host: it counts as 127.0.0.1 for everything that asks for an address. */
function overUnix(socket: Socket, path: string, listener: ListenerOptions): IncomingConnection {
  const peer = { address: '127.0.0.1', port: 0, path };
  return {
    stream: socket,
    outlivesStream: true,
    hops: OVER_UNIX,
    peer,
    remote: peer,
    local: peer,
    listener,
  };
}

/** A listener on it has to ask each connection for its local end, which costs a system call. */
const isAnyAddress = (address: string): boolean => address === '0.0.0.0' || address === '::';

/** A socket file without a listener is left over from a crash. One that answers belongs to a running daemon. */
export async function removeStaleSocket(spec: UnixSpec): Promise<void> {
  try {
    await removeIfStale(spec);
  } catch (cause) {
    throw cause instanceof QpsmtpdError ? cause : cannotListen(spec, cause as NodeJS.ErrnoException);
  }
}

/** The errors of a connection attempt without a listener. */
const UNANSWERED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT']);

async function removeIfStale(spec: UnixSpec): Promise<void> {
  const { path } = spec;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new QpsmtpdError(
      'Q_LISTEN',
      `${path} exists and is not a socket (move it away or choose another path)`,
    );
  }
  const answer = await new Promise<string>((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => resolve('')).once('error', (error) => resolve(codeOf(error)));
    probe.once('connect', () => probe.destroy());
  });
  if (UNANSWERED.has(answer)) unlinkSync(path);
  // Another user's daemon may listen on it: taking the file away would cut that one off.
  else if (answer === 'EACCES' || answer === 'EPERM')
    throw new QpsmtpdError(
      'Q_LISTEN',
      `${path} is a socket that ${ownUser()} may not open (${answer}): if no process listens on it, remove the file`,
    );
  else throw new QpsmtpdError('Q_LISTEN', `${path} is in use by a running process`);
}

const codeOf = ({ code = 'unknown error' }: NodeJS.ErrnoException): string => code;

const REMEDIES: Record<string, string> = {
  EEXIST: 'another process has just begun to listen there; stop it or choose another path',
  EADDRINUSE: 'another process listens there; stop it or choose another port',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this host has no such address',
  EAFNOSUPPORT: 'this host has no such address family',
};

export function cannotListen(spec: ListenSpec, cause: NodeJS.ErrnoException): QpsmtpdError {
  if (spec.kind === 'fd' && cause.code === 'EINVAL')
    return new QpsmtpdError('Q_LISTEN', `${printListen(spec)}: ${NOT_LISTENING}`, { cause });
  if (spec.kind === 'unix' && cause.code !== 'EADDRINUSE' && cause.code !== 'EEXIST') {
    const { problem, remedy } = troubleAt(spec.path, cause);
    return new QpsmtpdError('Q_LISTEN', `cannot listen on ${printListen(spec)}: ${problem} (${remedy})`, {
      cause,
    });
  }
  const remedy = REMEDIES[cause.code ?? ''];
  const why = remedy === undefined ? cause.message : `${cause.code}: ${remedy}`;
  return new QpsmtpdError('Q_LISTEN', `cannot listen on ${printListen(spec)}: ${why}`, { cause });
}
