/** Listens on TCP and Unix sockets. */

import cluster from 'node:cluster';
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { QpsmtpdError } from '../errors.ts';
import type { Acceptor, Emit, Endpoint, Intake } from './intake.ts';
import { printListen, type ListenSpec, type TcpSpec, type UnixSpec } from './listen-spec.ts';

/** Connections the kernel keeps for us while the process is busy. */
const BACKLOG = 511;

export class SocketAcceptor implements Acceptor {
  readonly #spec: ListenSpec;
  readonly #server: Server;
  #emit: Emit | undefined;
  /** Who came between `bind` and `open`: a few milliseconds, while the plugins are loaded. */
  #early: Intake[] = [];
  /** Our end of every connection; undefined if the listener takes those to any address of this host. */
  #local: Endpoint | undefined = undefined;

  constructor(spec: ListenSpec) {
    this.#spec = spec;
    // Half-open: a client may shut down its side behind a pipelined QUIT and still read the replies.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: false });
    this.#server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  get needsTls(): boolean {
    return this.#spec.startsWithTls === true;
  }

  async bind(): Promise<string> {
    const spec = this.#spec;
    if (this.#server.listening) return this.#address();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(spec, cause)));
      const where =
        spec.kind === 'unix' ? { path: spec.path } : { host: spec.address, port: spec.port, ipv6Only: false };
      this.#server.listen({ ...where, backlog: BACKLOG }, resolve);
    });
    // After listening, an error concerns one accept (EMFILE); the listener itself goes on.
    this.#server.removeAllListeners('error').on('error', () => undefined);
    // For workers the primary has done it, and they may not be allowed to.
    if (spec.kind === 'unix' && cluster.isPrimary) chmodSync(spec.path, spec.mode);
    return this.#address();
  }

  #address(): string {
    const spec = this.#spec;
    const bound = this.#server.address();
    if (spec.kind === 'unix' || bound === null || typeof bound === 'string') return printListen(spec);
    const local = endpoint(bound.address, bound.port);
    if (!isAnyAddress(local.address)) this.#local = local;
    return printListen({ ...spec, address: bound.address, port: bound.port });
  }

  open(emit: Emit): void {
    this.#emit = emit;
    const early = this.#early;
    this.#early = [];
    for (const intake of early) emit(intake);
  }

  close(): Promise<void> {
    for (const { stream } of this.#early) stream.destroy();
    // Its callback waits for the last connection; the listening itself ends at once.
    if (this.#server.listening) this.#server.close();
    return Promise.resolve();
  }

  #accept(socket: Socket): void {
    // Without this a reset would end the process.
    socket.on('error', ignore);
    // Reset before it was accepted: nobody is there to be served.
    if (this.#spec.kind === 'tcp' && socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const intake =
      this.#spec.kind === 'unix'
        ? overUnix(socket, this.#spec)
        : overTcp(socket, this.#spec, this.#local ?? endpoint(socket.localAddress, socket.localPort));
    if (this.#emit === undefined) this.#early.push(intake);
    else this.#emit(intake);
  }
}

function ignore(): void {
  // The session learns of the end by 'close'.
}

const OVER_TCP: readonly string[] = ['tcp'];
const OVER_UNIX: readonly string[] = ['unix'];

function overTcp(socket: Socket, { startsWithTls }: TcpSpec, local: Endpoint): Intake {
  const peer = endpoint(socket.remoteAddress, socket.remotePort);
  return {
    stream: socket,
    outlivesStream: true,
    hops: OVER_TCP,
    peer,
    remote: peer,
    local,
    startsWithTls,
  };
}

/** A client on a Unix socket is on this host: it counts as 127.0.0.1 for everything that asks for an address. */
function overUnix(socket: Socket, { path, startsWithTls }: UnixSpec): Intake {
  const peer = { address: '127.0.0.1', port: 0, path };
  return {
    stream: socket,
    outlivesStream: true,
    hops: OVER_UNIX,
    peer,
    remote: peer,
    local: peer,
    startsWithTls,
  };
}

/** IPv4 clients of an IPv6 socket are known by their IPv4 address, as every list of addresses expects. */
function endpoint(address = '', port = 0): Endpoint {
  return {
    address: address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address,
    port,
  };
}

/** Whoever listens on it has to ask each connection for its local end, which costs a system call. */
const isAnyAddress = (address: string): boolean => address === '0.0.0.0' || address === '::';

/** A socket file that nobody answers on is left over from a crash. One that answers belongs to a running daemon. */
export async function removeStaleSocket(spec: UnixSpec): Promise<void> {
  const stat = lstatSync(spec.path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new QpsmtpdError(
      'Q_LISTEN',
      `${spec.path} exists and is not a socket (move it away or choose another path)`,
    );
  }
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect({ path: spec.path });
    probe.once('connect', () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
  if (answers) throw new QpsmtpdError('Q_LISTEN', `${spec.path} is in use by a running process`);
  unlinkSync(spec.path);
}

const REMEDIES: Record<string, string> = {
  EADDRINUSE: 'another process listens there; stop it or choose another port',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this host has no such address',
  EAFNOSUPPORT: 'this host has no such address family',
  ENOENT: 'the folder of the socket does not exist',
};

function cannotListen(spec: ListenSpec, cause: NodeJS.ErrnoException): QpsmtpdError {
  const remedy = REMEDIES[cause.code ?? ''];
  const why = remedy === undefined ? cause.message : `${cause.code}: ${remedy}`;
  return new QpsmtpdError('Q_LISTEN', `cannot listen on ${printListen(spec)}: ${why}`, { cause });
}
