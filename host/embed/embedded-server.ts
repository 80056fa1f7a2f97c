/**
 * A server inside another program: plugins as objects, configuration in memory, connections from wherever the program has
 * them. Nothing of the process is touched: no signal, no exit code, no stream, no directory that a plugin or a large
 * message does not ask for. Several may run at a time.
 */

import type { Duplex } from 'node:stream';
import type { LogEvent } from '../../bindings/plugin/hooks.ts';
import { formatLogLine, LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Services } from '../../bindings/plugin/services.ts';
import { linesOfFiles, type ConfigFiles } from '../config/given-files.ts';
import { noReverseLookup } from '../dns/reverse-lookup.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { createFront, requireFront } from '../fronts/http/http-acceptor.ts';
import {
  HandoverAcceptor,
  parseListenerOptions,
  type HandedFacts,
  type NetServer,
} from '../intake/handover-acceptor.ts';
import { MemoryAcceptor, type MemoryClient } from '../intake/memory-acceptor.ts';
import { parseListen } from '../intake/listen-spec.ts';
import { removeStaleSocket } from '../intake/socket-acceptor.ts';
import { timedErrors } from '../observe/error-stream.ts';
import type { LogSink } from '../observe/logger.ts';
import { neverThrowing } from '../observe/program-log.ts';
import { Server } from '../server/server.ts';
import { givenTls, tlsFactsOf, type GivenTls } from '../tls/given-tls.ts';
import type { TlsContext } from '../tls/tls-context.ts';
import {
  pluginLines,
  programPlugin,
  type GivenPlugin,
  type OnMessage,
  type Recipients,
} from './given-plugins.ts';

/** Nothing; the lines up to a level on the standard error stream; or a function that gets them, up to INFO. */
export type GivenLog = 'none' | LogLevel | ((event: LogEvent) => void) | LogSink;

export interface EmbeddedServerOptions {
  /** Asked in this order. */
  readonly plugins?: readonly GivenPlugin[];
  /** Files of the configuration directory by name; nothing is looked for on the disk. */
  readonly config?: ConfigFiles;
  /** Where to listen, as in `config/listeners`. Without it clients come by `attach`, `accept` and `connect` alone. */
  readonly listen?: string | readonly string[];
  /** Takes messages that no plugin has queued. What it does with one is all that happens to it: it has to keep it safely. */
  readonly onMessage?: OnMessage;
  /** Time `onMessage` has, in whole seconds, before the client is told to come again; default ten times `plugin_timeout`. */
  readonly onMessageTimeoutMs?: number;
  /** Without it plugins say which recipients there are; with `onMessage` and no plugin at all, any. */
  readonly recipients?: Recipients;
  /** For STARTTLS and `tls=implicit`: key and certificate in PEM, or what `tls.createSecureContext` has made. */
  readonly tls?: GivenTls | TlsContext;
  /** Default `none`. */
  readonly log?: GivenLog;
  /** Closes the server at once. */
  readonly signal?: AbortSignal;
  /** Connections served at a time; 0 is no limit. Without it as many as there is memory for. */
  readonly maxConnections?: number;
  /** Names of clients are looked up in the DNS; default false. */
  readonly looksUpNames?: boolean;
  /** What plugins get in place of the real clock, DNS and so on. */
  readonly services?: Partial<Services>;
}

/** What is known of the client at the other end of a stream that is handed over. */
export interface HandedClient extends Omit<HandedFacts, 'listener'> {
  /** As behind the address of a listen spec: `tls=implicit proxy=required`. */
  readonly listener?: string | undefined;
}

export interface CloseOptions {
  /** How long transactions may take to end before they are cut off; default 1,000. */
  readonly graceMs?: number;
}

const GRACE_MS = 1_000;

/**
 * Loads the plugins, binds the listeners and serves. Throws what is wrong with the options, all of it: a `ConfigError`, an
 * `AggregateError` of several, `Q_LISTEN` for an address that cannot be had.
 */
export async function createServer(options: EmbeddedServerOptions = {}): Promise<EmbeddedServer> {
  options.signal?.throwIfAborted();
  const parts = await load(options);
  const server = new EmbeddedServer(parts);
  await server.begin(options.signal);
  return server;
}

interface Parts {
  readonly server: Server;
  readonly handover: HandoverAcceptor;
  readonly memory: MemoryAcceptor;
  readonly lost: Promise<Error>;
}

async function load(options: EmbeddedServerOptions): Promise<Parts> {
  const { plugins = [], listen = [], onMessage, config = {}, maxConnections } = options;
  const { recipients = onMessage !== undefined && plugins.length === 0 ? 'any' : undefined } = options;
  const hasProgram = recipients !== undefined || onMessage !== undefined;
  const { onMessageTimeoutMs } = options;
  const line = onMessageTimeoutMs === undefined ? {} : { timeout: Math.ceil(onMessageTimeoutMs / 1_000) };
  const own = hasProgram ? [{ definition: programPlugin(recipients, onMessage), line }] : [];
  const { lines, definitions } = pluginLines([...plugins, ...own]);
  const specs = (typeof listen === 'string' ? [listen] : listen).map(parseListen);
  specs.forEach(requireFront);
  for (const spec of specs) if (spec.kind === 'unix') await removeStaleSocket(spec);
  const handover = new HandoverAcceptor();
  const memory = new MemoryAcceptor();
  let onListenerLost: (error: Error) => void = () => undefined;
  const lost = new Promise<Error>((resolve) => {
    onListenerLost = resolve;
  });
  const server = await Server.load({
    acceptors: [...specs.map(createFront), handover, memory],
    directories: [],
    overlay: linesOfFiles(config).set('plugins', lines),
    definitions,
    logSink: sinkOf(options.log ?? 'none'),
    tls: options.tls && givenTls(options.tls),
    makesSpoolLate: true,
    services: options.services,
    maxConnections,
    ...(options.looksUpNames === true ? {} : { reverseLookup: noReverseLookup }),
    onListenerLost,
  });
  return { server, handover, memory, lost };
}

function sinkOf(log: GivenLog): LogSink {
  if (log === 'none') return { upTo: -1, write: () => undefined };
  if (typeof log === 'function') return { upTo: LogLevel.INFO, write: neverThrowing(log) };
  if (typeof log === 'object')
    return Object.create(log, {
      write: { value: neverThrowing((event: LogEvent) => log.write(event)) },
    }) as LogSink;
  const write = timedErrors();
  return { upTo: log, write: (event) => write(formatLogLine(event, process.pid)) };
}

export class EmbeddedServer implements AsyncDisposable {
  /** Resolves once a listener is gone for good; what came by it goes on. Clients of others are served as before. */
  readonly listenerLost: Promise<Error>;
  /** Resolves once the server is closed, whoever has closed it. */
  readonly closed: Promise<void>;
  readonly #parts: Parts;
  #settleClosed: () => void = () => undefined;
  #addresses: readonly string[] = [];
  #closing: Promise<void> | undefined;
  #stopListening: () => void = () => undefined;

  /** For `createServer`. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.listenerLost = parts.lost;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /** For `createServer`: what is bound by then is given back if one address cannot be had. */
  async begin(signal: AbortSignal | undefined): Promise<void> {
    try {
      const addresses = await this.#parts.server.listen();
      this.#addresses = addresses.slice(0, -2);
      signal?.throwIfAborted();
    } catch (error) {
      await this.close({ graceMs: 0 });
      throw error;
    }
    const abort = (): void => void this.close({ graceMs: 0 });
    signal?.addEventListener('abort', abort, { once: true });
    this.#stopListening = () => signal?.removeEventListener('abort', abort);
  }

  /** The addresses of `listen` as they were bound, in its order: `tcp://127.0.0.1:40123`. */
  address(): readonly string[] {
    return this.#addresses;
  }

  /** Connections being served. */
  get connections(): number {
    return this.#parts.server.sessions;
  }

  /**
   * Serves the sockets that `netServer` accepts from now on; returns how to stop that. The server stays its owner's: `close`
   * lets go of it and does not close it. `listener` is what stands behind the address of a listen spec: `tls=implicit`.
   */
  attach(netServer: NetServer, listener = ''): () => void {
    const { handover } = this.#parts;
    this.#requireOpen();
    const options = parseListenerOptions(listener);
    return handover.attach(netServer, (socket) =>
      handover.accept(socket, { listener: options, tls: tlsFactsOf(socket) }),
    );
  }

  /**
   * Serves one client on `stream`, which nobody else may use any more; resolves when the stream is gone. What is not said of
   * the client is asked of the stream.
   */
  accept(stream: Duplex, { listener, ...client }: HandedClient = {}): Promise<void> {
    this.#requireOpen();
    const gone = new Promise<void>((resolve) => {
      if (stream.destroyed) resolve();
      else stream.once('close', resolve);
    });
    this.#parts.handover.accept(stream, {
      ...client,
      tls: client.tls ?? tlsFactsOf(stream),
      listener: listener === undefined ? undefined : parseListenerOptions(listener),
    });
    return gone;
  }

  /** The client's end of a new connection in memory. */
  connect(client?: MemoryClient): Duplex {
    this.#requireOpen();
    return this.#parts.memory.connect(client);
  }

  /**
   * Stops listening, lets transactions end, and cuts off what is left after `graceMs`. Never rejects; called again, resolves
   * when the first call is through, or sooner if it allows less time.
   */
  close({ graceMs = GRACE_MS }: CloseOptions = {}): Promise<void> {
    this.#stopListening();
    if (graceMs === 0) this.#parts.server.cutOff();
    return (this.#closing ??= this.#parts.server
      .drain(graceMs, { isPrompt: true })
      .then(() => this.#settleClosed()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new QpsmtpdError('Q_LISTEN', 'the server is closed');
  }
}
