/**
 * The one client that inetd, xinetd, tcpserver, tcpsvd or systemd (`Accept=yes`) has put on descriptor 0. Where that is no socket of
 * TCP, the variables of tcpserver say who it is: tcp-environ(5).
 */

import { fstatSync, readSync } from 'node:fs';
import { isIP, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { canonicalIpAddress } from '../../bindings/lists/client-ranges.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import {
  endpoint,
  type Acceptor,
  type Emit,
  type Endpoint,
  type IncomingConnection,
  type ListenerWatch,
} from './incoming-connection.ts';
import { clientDescriptors } from '../package/client-descriptors.ts';
import { printListen, type StdinSpec } from './listen-spec.ts';

/** Tests have other streams and variables. */
export interface StdinSources {
  readonly environment: NodeJS.ProcessEnv;
  readonly input: number;
  /** Equals `input` if one socket goes both ways. */
  readonly output: number;
}

export class StdinAcceptor implements Acceptor {
  readonly #spec: StdinSpec;
  readonly #sources: StdinSources;
  #intake: IncomingConnection | undefined;
  /** Why what the environment says is not believed. */
  #doubt: string | undefined;

  constructor(spec: StdinSpec, sources = sourcesOfProcess()) {
    this.#spec = spec;
    this.#sources = sources;
  }

  get needsTls(): boolean {
    return this.#spec.startsWithTls === true;
  }

  get service(): string | undefined {
    return this.#spec.service;
  }

  /** Throws `Q_LISTEN` if there is no client. */
  bind(): Promise<string> {
    this.#intake ??= this.#take();
    return Promise.resolve(printListen(this.#spec));
  }

  open(emit: Emit, watch?: ListenerWatch): void {
    const intake = this.#intake;
    if (intake === undefined) {
      watch?.ended?.();
      return;
    }
    if (this.#doubt !== undefined) watch?.note(this.#doubt);
    // TLS may put another stream in its place, and closes this one too.
    intake.stream.once('close', () => watch?.ended?.());
    emit(intake);
  }

  /** There is nobody else to accept. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Undefined if the client has left already. */
  #take(): IncomingConnection | undefined {
    const { environment, input, output } = this.#sources;
    const told = factsIn(environment);
    const kind = kindOf(input);
    if (kind === 'pipe' && told.remote === undefined)
      throw noClient('it is a pipe, and TCPREMOTEIP does not say who is at the other end');
    const reads = new Socket({ fd: input, readable: true, writable: input === output, allowHalfOpen: true });
    if (kind === 'socket') reads.setNoDelay(true);
    const seen = kind === 'socket' ? endsOf(reads) : undefined;
    if (seen === undefined && kind === 'socket' && isTcp(reads)) {
      requireConnection(input);
      return undefined;
    }
    const stream = input === output ? reads : joined(reads, output);
    stream.on('error', () => undefined);
    return { ...this.#whoIsIt(told, seen), stream, outlivesStream: false, hops: STDIN, listener: this.#spec };
  }

  /**
   * A socket knows its peer better than the environment does, which may be left over from whatever has started the starter: a
   * client would be let in under the address of another one.
   */
  #whoIsIt(
    told: StarterFacts,
    seen: Ends | undefined,
  ): Pick<IncomingConnection, 'peer' | 'remote' | 'local'> {
    const { remote, local, host, info } = told;
    const named = { ...(host === undefined ? {} : { host }), ...(info === undefined ? {} : { info }) };
    if (seen === undefined)
      return { peer: STARTER, remote: remote ?? STARTER, local: local ?? STARTER, ...(remote && named) };
    const ends = { peer: seen.remote, remote: seen.remote, local: seen.local };
    if (remote === undefined) return ends;
    if (isSameAddress(remote.address, seen.remote.address)) return { ...ends, ...named };
    // Nor must programs that plugins run believe them.
    for (const name of STARTER_VARIABLES) Reflect.deleteProperty(this.#sources.environment, name);
    this.#doubt = `TCPREMOTEIP says ${remote.address}, but the client is ${seen.remote.address}: the variables of tcpserver are not believed`;
    return ends;
  }
}

const sourcesOfProcess = (): StdinSources => ({
  environment: process.env,
  input: 0,
  output: clientDescriptors().output,
});

const STDIN: readonly string[] = ['stdin'];
/** Whatever has handed over a pipe or a Unix socket is on this host. */
const STARTER: Endpoint = { address: '127.0.0.1', port: 0, path: 'stdin:' };

interface Ends {
  readonly remote: Endpoint;
  readonly local: Endpoint;
}

/** Undefined: not of TCP, or not connected. */
function endsOf(socket: Socket): Ends | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined) return undefined;
  return { remote: endpoint(remoteAddress, remotePort), local: endpoint(localAddress, localPort) };
}

/** Sockets of TCP have an own end, those of Unix none that Node tells. */
const isTcp = (socket: Socket): boolean => socket.localAddress !== undefined;

function kindOf(fd: number): 'socket' | 'pipe' {
  const stat = fstatSync(fd);
  if (stat.isSocket()) return 'socket';
  if (stat.isFIFO()) return 'pipe';
  throw noClient('it is neither a socket nor a pipe', fd);
}

/** A client may leave before it is served; a socket that listens has never had one, and says so when it is read. */
function requireConnection(fd: number): void {
  try {
    readSync(fd, new Uint8Array(1));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOTCONN') return;
    throw noClient('it is not connected (the listening socket of an inetd with "wait" is "fd:0")');
  }
}

function noClient(problem: string, fd = 0): QpsmtpdError {
  return new QpsmtpdError('Q_LISTEN', `stdin: no client on descriptor ${fd}: ${problem}`);
}

function joined(readable: Socket, output: number): Duplex {
  kindOf(output);
  const writable = new Socket({ fd: output, readable: false, writable: true });
  return Duplex.from({ readable, writable }) as Duplex;
}

/** Of tcp-environ(5), without PROTO. */
const STARTER_VARIABLES = [
  'TCPREMOTEIP',
  'TCPREMOTEPORT',
  'TCPREMOTEHOST',
  'TCPREMOTEINFO',
  'TCPLOCALIP',
  'TCPLOCALPORT',
  'TCPLOCALHOST',
] as const;

interface StarterFacts extends Partial<Ends> {
  readonly host?: string | undefined;
  readonly info?: string | undefined;
}

/** What tcpserver and its kin say of the client. Names come from its DNS and its ident daemon: what is no name is left out. */
function factsIn(environment: NodeJS.ProcessEnv): StarterFacts {
  return {
    ...endIn(environment, 'remote', 'TCPREMOTEIP', 'TCPREMOTEPORT'),
    ...endIn(environment, 'local', 'TCPLOCALIP', 'TCPLOCALPORT'),
    host: /^[\w.:-]{1,255}$/.exec(environment['TCPREMOTEHOST'] ?? '')?.[0],
    info: /^[!-~]{1,255}$/.exec(environment['TCPREMOTEINFO'] ?? '')?.[0],
  };
}

function endIn(
  environment: NodeJS.ProcessEnv,
  end: 'remote' | 'local',
  ip: string,
  port: string,
): Partial<Ends> {
  const address = environment[ip] ?? '';
  if (isIP(address) === 0) return {};
  return { [end]: endpoint(address, Number(/^\d{1,5}$/.exec(environment[port] ?? '')?.[0] ?? 0)) };
}

/** IPv6 addresses are written in several ways. */
function isSameAddress(a: string, b: string): boolean {
  const known = canonicalIpAddress(a);
  return a === b || (known !== undefined && known === canonicalIpAddress(b));
}
