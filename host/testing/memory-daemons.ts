/** Daemons in memory that plugins reach by `services.connect`. */

import type { Duplex } from 'node:stream';
import type {
  BeginOptions,
  Connect,
  ConnectionStream,
  ConnectOptions,
  ConnectTarget,
  PeerCertificate,
} from '../../bindings/plugin/connect.ts';
import { memoryPair } from './memory-pair.ts';
import type { TestClock } from './test-clock.ts';

/**
 * Serves one connection, of which it owns `stream`. What it throws, or rejects with, breaks the connection as a daemon that crashes
 * would.
 */
export type Daemon = (stream: Duplex, connection: DaemonConnection) => void | Promise<void>;

/** A connection that a plugin has asked for. */
export interface DaemonConnection {
  readonly target: ConnectTarget;
  /** Undefined for `connect.begin`. */
  readonly options: ConnectOptions | undefined;
}

/** Accepts connections, reads whatever it is told, and says nothing. */
export const silentDaemon: Daemon = (stream) => void stream.resume().once('end', () => stream.end());

/** Breaks each connection once it stands. */
export const dyingDaemon: Daemon = (stream) => void stream.destroy(new Error('the daemon has died'));

/** Says `answer` to the first thing it is told, whatever that is, and closes the connection. */
export const answeringDaemon =
  (answer: string | Buffer): Daemon =>
  (stream) =>
    void stream.once('data', () =>
      stream.end(typeof answer === 'string' ? Buffer.from(answer, 'latin1') : answer),
    );

/**
 * `services.connect` of a test. Daemons stand at `HOST:PORT` or at the path of a Unix socket; everywhere else connections are refused.
 * TLS is not spoken in memory: a connection that is secured goes on in the clear, and `peer` is what is said of the certificate.
 */
export class MemoryDaemons {
  /** Every connection that was asked for, refused ones too. */
  readonly connections: DaemonConnection[] = [];
  /** Of every daemon that is asked for TLS. */
  peer: PeerCertificate = { chain: [], distrust: undefined, hasName: true };
  readonly #daemons = new Map<string, Daemon | 'unreachable'>();
  readonly #streams = new Map<string, Set<Duplex>>();
  readonly #clock: TestClock | undefined;

  /** Time limits go by `clock`; without one, by the time of the machine. */
  constructor(daemons: Readonly<Record<string, Daemon | 'unreachable'>> = {}, clock?: TestClock) {
    for (const [place, daemon] of Object.entries(daemons)) this.listen(place, daemon);
    this.#clock = clock;
  }

  /** Puts a daemon there, in place of any other. `unreachable`: nobody refuses, and nobody answers either. */
  listen(place: string, daemon: Daemon | 'unreachable'): void {
    this.#daemons.set(place, daemon);
  }

  /** The daemon there dies: its connections break, new ones are refused. */
  stop(place: string): void {
    this.#daemons.delete(place);
    for (const stream of this.#streams.get(place) ?? []) stream.destroy(new Error('the daemon has died'));
  }

  /** Connections that stand, to one place or to all. */
  openConnections(place?: string): number {
    if (place !== undefined) return this.#streams.get(place)?.size ?? 0;
    return [...this.#streams.values()].reduce((sum, { size }) => sum + size, 0);
  }

  readonly connect: Connect = Object.assign(
    (target: ConnectTarget, options: ConnectOptions) => this.#open(target, options),
    {
      begin: (target: ConnectTarget, options?: BeginOptions) => this.#begin(target, options),
      secure: (stream: Duplex) =>
        Promise.resolve({ stream: stream as ConnectionStream, peer: this.peer, protocol: 'TLSv1.3' }),
      check: () => undefined,
    },
  );

  #open(target: ConnectTarget, options: ConnectOptions): Promise<Duplex> {
    if (options.signal?.aborted === true) return Promise.reject(new Error('no time is left'));
    const connection = { target, options };
    this.connections.push(connection);
    const daemon = this.#daemons.get(placeOf(target));
    if (daemon === undefined) return Promise.reject(refused(target));
    if (daemon === 'unreachable') return this.#wait(options);
    const [ours, theirs] = memoryPair();
    this.#serve(placeOf(target), theirs, daemon, connection);
    return Promise.resolve(ours);
  }

  #begin(target: ConnectTarget, { onOctets }: BeginOptions = {}): ConnectionStream {
    const connection = { target, options: undefined };
    this.connections.push(connection);
    const [ours, theirs] = memoryPair();
    const daemon = this.#daemons.get(placeOf(target));
    process.nextTick(() => {
      if (ours.destroyed || daemon === 'unreachable') return;
      if (daemon === undefined) {
        theirs.destroy();
        return void ours.destroy(refused(target));
      }
      this.#serve(placeOf(target), theirs, daemon, connection);
      ours.emit('connect');
    });
    if (onOctets !== undefined) ours.on('data', onOctets);
    return ours;
  }

  #serve(place: string, stream: Duplex, daemon: Daemon, connection: DaemonConnection): void {
    const open = this.#streams.get(place) ?? new Set();
    this.#streams.set(place, open.add(stream));
    stream.once('close', () => open.delete(stream));
    // A daemon of a test need not look after connections that plugins break.
    stream.on('error', () => undefined);
    const crash = (thrown: unknown): void =>
      void stream.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
    try {
      daemon(stream, connection)?.catch(crash);
    } catch (thrown) {
      crash(thrown);
    }
  }

  #wait({ timeoutMs, signal }: ConnectOptions): Promise<never> {
    return new Promise((_, reject) => {
      const giveUp = (): void => {
        cancel();
        signal?.removeEventListener('abort', giveUp);
        reject(new Error('no connection within its time'));
      };
      const cancel = this.#after(timeoutMs, giveUp);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #after(ms: number, run: () => void): () => void {
    if (this.#clock !== undefined) return this.#clock.after(ms, run);
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }
}

const placeOf = (target: ConnectTarget): string =>
  'path' in target ? target.path : `${target.host}:${target.port}`;

function refused(target: ConnectTarget): Error {
  const facts = { code: 'ECONNREFUSED', syscall: 'connect' };
  return Object.assign(new Error(`connect ECONNREFUSED ${placeOf(target)}`), facts);
}
