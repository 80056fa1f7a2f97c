/**
 * A server with the API of nodemailer's smtp-server 3.21: options, callbacks, session, events, log calls and replies. Sockets,
 * TLS, time limits, turns, memory and the scan of content are ours.
 */

import { EventEmitter } from 'node:events';
import { domainToUnicode } from 'node:url';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { AddressRanges } from '../config/address-ranges.ts';
import { reverseNames, noReverseLookup } from '../dns/reverse-lookup.ts';
import {
  HandoverAcceptor,
  makeNetServer,
  type ListenOptions,
  type NetServer,
  type NetSocket,
} from '../intake/handover-acceptor.ts';
import type { ListenerOptions } from '../intake/incoming-connection.ts';
import { Server } from '../server/server.ts';
import {
  programContext,
  type ProgramContext,
  type ServerTlsOptions,
  type TlsStream,
} from '../tls/program-tls.ts';
import type { TlsOptions } from '../tls/tls-layer.ts';
import { SMTPConnection } from './connection.ts';
import type { FacadeServer, ResolvedOptions } from './facade-server.ts';
import { openLogger, type Logger } from './logging.ts';
import { isTrustedPeer } from './proxy-commands.ts';
import type {
  SMTPServerAddress,
  SMTPServerAuthentication,
  SMTPServerAuthenticationResponse,
  SMTPServerConnectionInfo,
  SMTPServerDataResult,
  SMTPServerDataStream,
  SMTPServerEvents,
  SMTPServerOptions,
  SMTPServerSession,
} from './types.ts';

const CLOSE_TIMEOUT_MS = 30_000;
const SOCKET_TIMEOUT_MS = 60_000;

/** No spool, no plugin, no limit but its own. */
const SETTINGS: ReadonlyMap<string, readonly string[]> = new Map([
  ['me', ['localhost']],
  ['plugins', []],
  ['session_timeout', ['0']],
]);

const EVERYWHERE = AddressRanges.compile(['0.0.0.0/0', '::/0', 'unix']);

const PROXIED: ListenerOptions = {
  startsWithTls: false,
  proxy: { isRequired: true, from: EVERYWHERE, refusal: '* BAD Invalid PROXY header\r\n' },
};

const HANDLERS = ['onConnect', 'onSecure', 'onAuth', 'onMailFrom', 'onRcptTo', 'onData', 'onClose'] as const;

const namesIn = (value: string | readonly string[] | undefined): string[] =>
  [value ?? []].flat().map((name) => name.trim().toUpperCase());

type Callback = (error?: Error | null) => void;

export class SMTPServer extends EventEmitter<SMTPServerEvents> implements FacadeServer {
  /** The program's own object, with defaults filled in; changes count for what begins afterwards. */
  readonly options: ResolvedOptions;
  readonly logger: Logger;
  /** By server name; `*` is for all others. */
  secureContext = new Map<string, ProgramContext>();
  readonly connections = new Set<SMTPConnection>();
  readonly server: NetServer;
  #acceptor = new HandoverAcceptor();
  readonly #pending = new Set<SMTPConnection>();
  #engine: Promise<Server> | undefined;
  #isClosing = false;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(options: SMTPServerOptions = {}) {
    super();
    const given = options as ResolvedOptions;
    given.disabledCommands = namesIn(options.disabledCommands);
    given.authMethods = namesIn(options.authMethods);
    if (given.authMethods.length === 0) given.authMethods = ['LOGIN', 'PLAIN'];
    given.hideENHANCEDSTATUSCODES ??= true;
    given.hideDSN ??= true;
    given.hideREQUIRETLS ??= true;
    this.options = given;
    this.logger = openLogger(options.logger, options.component ?? 'smtp-server');
    this.updateSecureContext();
    // Handlers of the options come before methods of a subclass, as in smtp-server.
    for (const name of HANDLERS) {
      const handler = options[name];
      if (typeof handler === 'function') Object.assign(this, { [name]: handler });
    }
    this.server = makeNetServer(options, (socket) => this.connect(socket));
    this.server
      .once('listening', () => this.#noteListening())
      .once('close', () => this.#noteClosed())
      .on('error', (error) => void this.emit('error', error));
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Begins to listen; arguments as for `net.Server.listen`. */
  listen(port?: number, hostname?: string, backlog?: number, listeningListener?: () => void): NetServer;
  listen(port: number | undefined, hostname: string, listeningListener?: () => void): NetServer;
  listen(where: string | number | object, backlog: number, listeningListener?: () => void): NetServer;
  listen(where?: string | number | ListenOptions | object, listeningListener?: () => void): NetServer;
  listen(...args: unknown[]): NetServer {
    this.#begin();
    return Reflect.apply(this.server.listen, this.server, args) as NetServer;
  }

  /** Serves a socket that the program has accepted itself. */
  connect(socket: NetSocket | TlsStream): void {
    this.#begin();
    this.#acceptor.accept(socket, { listener: this.#listenerFor(socket) });
  }

  /** The engine is loaded once; clients that come before wait. */
  #begin(): void {
    if (this.#engine !== undefined) return;
    this.#isClosing = false;
    this.#acceptor = new HandoverAcceptor();
    this.#engine = this.#load();
    this.#engine.catch((error: Error) => this.report(error));
  }

  async #load(): Promise<Server> {
    const engine = await Server.load({
      acceptors: [this.#acceptor],
      directories: [],
      overlay: SETTINGS,
      maxConnections: 0,
      // Faults, of the program as well: nobody else would learn of them.
      logSink: { upTo: LogLevel.CRIT, write: ({ text }) => this.logger.error({ tnx: 'engine' }, '%s', text) },
      tls: this.#tls(),
      makesSpoolLate: true,
      reverseLookup: noReverseLookup,
      openDialogue: () => new SMTPConnection(this),
    });
    await engine.listen();
    return engine;
  }

  #listenerFor({ remoteAddress = '' }: NetSocket): ListenerOptions {
    const expectsProxy = isTrustedPeer(this.options.useProxy, remoteAddress);
    return expectsProxy ? PROXIED : { startsWithTls: false };
  }

  #tls(): TlsOptions {
    // Renewed contexts count for the next handshake.
    const contexts = (): Map<string, ProgramContext> => this.secureContext;
    const { options } = this;
    return {
      handshakeTimeoutMs: options.socketTimeout || SOCKET_TIMEOUT_MS,
      asksForCertificate: options.requestCert === true,
      get context() {
        return contexts().get('*')!;
      },
      contextFor: (name) => this.#contextFor(name),
    };
  }

  #contextFor(name: string): ProgramContext | undefined | Promise<ProgramContext | undefined> {
    const servername = this.#plainName(name);
    const { SNICallback } = this.options;
    if (typeof SNICallback !== 'function') return this.secureContext.get(servername);
    return new Promise((resolve) => {
      SNICallback(servername, (err, context) => {
        const text = 'Failed to fetch SNI context for servername %s';
        if (err) this.logger.error({ tnx: 'sni', servername, err }, text, servername);
        resolve(context);
      });
    });
  }

  #plainName(name: string): string {
    const plain = name.trim().toLowerCase();
    return domainToUnicode(plain) || plain;
  }

  /** Makes the contexts of TLS anew, after taking over `options`. Throws OpenSSL's error if it cannot use one. */
  updateSecureContext(options?: ServerTlsOptions): void {
    Object.assign(this.options, options);
    const contexts = new Map([['*', programContext(this.options)]]);
    const { sniOptions = {} } = this.options;
    const entries = sniOptions instanceof Map ? [...sniOptions] : Object.entries(sniOptions);
    for (const [name, each] of entries) contexts.set(this.#plainName(name), programContext(each));
    this.secureContext = contexts;
  }

  /**
   * Stops listening. Clients go on until their next command, or until `closeTimeout` is over; `callback` is run when the last one
   * is gone, or then.
   */
  close(callback?: (() => void) | null): void {
    let report: (() => void) | undefined = callback ?? undefined;
    const done = (): void => {
      const tell = report;
      report = undefined;
      tell?.();
    };
    this.server.close(() => {
      clearTimeout(this.#closeTimer);
      void this.#release().then(done);
    });
    for (const { engine } of this.#pending) engine.destroy();
    const timeout = this.options.closeTimeout || CLOSE_TIMEOUT_MS;
    const { size } = this.connections;
    const text = 'Server closing with %s pending connection%s, waiting %s seconds before terminating';
    if (size > 0) this.logger.info({ tnx: 'close' }, text, size, plural(size), timeout / 1_000);
    this.#isClosing = true;
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => {
      this.#cutOff();
      done();
    }, timeout);
    this.#closeTimer.unref();
  }

  #cutOff(): void {
    const { size } = this.connections;
    if (size === 0) return;
    const text = 'Closing %s pending connection%s to close the server';
    this.logger.info({ tnx: 'close' }, text, size, plural(size));
    for (const connection of this.connections) connection.end(421, 'Server shutting down');
  }

  /** What the engine holds. Never rejects. */
  async #release(): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    await engine?.then(
      (server) => server.drain(0),
      () => undefined,
    );
  }

  #noteListening(): void {
    const { secure = false, lmtp = false } = this.options;
    const bound = this.server.address();
    const { address = null, port = null, family = null } = typeof bound === 'object' ? (bound ?? {}) : {};
    const entry = { tnx: 'listen', host: address, port, secure, protocol: lmtp ? 'LMTP' : 'SMTP' };
    const shown = family === 'IPv4' ? address : `[${address}]`;
    const text = '%s%s Server listening on %s:%s';
    this.logger.info(entry, text, secure ? 'Secure ' : '', entry.protocol, shown, port);
    this.emit('listening');
  }

  #noteClosed(): void {
    this.logger.info({ tnx: 'closed' }, `${this.options.lmtp === true ? 'LMTP' : 'SMTP'} Server closed`);
    this.emit('close');
  }

  // Of FacadeServer.

  async namesOf(address: string): Promise<readonly string[]> {
    const { resolver } = this.options;
    if (typeof resolver?.reverse !== 'function') {
      const engine = await this.#engine;
      return engine === undefined ? [] : reverseNames(engine.generation.main.dns, engine.hosts, address);
    }
    return new Promise((resolve, reject) => {
      resolver.reverse(address, (error, names) => (error ? reject(error) : resolve(names ?? [])));
    });
  }

  addPending(connection: SMTPConnection): boolean {
    const { maxClients } = this.options;
    if (maxClients && this.#pending.size >= maxClients) return false;
    this.#pending.add(connection);
    return true;
  }

  removePending(connection: SMTPConnection): void {
    this.#pending.delete(connection);
  }

  announce(info: SMTPServerConnectionInfo): void {
    this.emit('connect', info);
  }

  report(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  // What programs put in place.

  onAuth(
    { method }: SMTPServerAuthentication,
    _session: SMTPServerSession,
    callback: (error: Error | null | undefined, response?: SMTPServerAuthenticationResponse) => void,
  ): void {
    if (method === 'XCLIENT') callback(undefined);
    else if (method === 'XOAUTH2') {
      const data = { status: '401', schemes: 'bearer mac', scope: 'https://mail.google.com/' };
      callback(null, { data });
    } else callback(null, { message: 'Authentication not implemented' });
  }

  onConnect(_session: SMTPServerSession, callback: Callback): void {
    callback();
  }

  onSecure(_socket: NetSocket | TlsStream, _session: SMTPServerSession, callback: Callback): void {
    callback();
  }

  onMailFrom(_address: SMTPServerAddress, _session: SMTPServerSession, callback: Callback): void {
    callback();
  }

  onRcptTo(_address: SMTPServerAddress, _session: SMTPServerSession, callback: Callback): void {
    callback();
  }

  onData(
    stream: SMTPServerDataStream,
    _session: SMTPServerSession,
    callback: (error?: Error | null, message?: string | SMTPServerDataResult[]) => void,
  ): void {
    stream.resume().on('end', () => {
      const { byteLength: size } = stream;
      this.logger.info({ tnx: 'message', size }, '<received %s bytes>', size);
      callback();
    });
  }

  onClose(session: SMTPServerSession, callback: Callback): void;
  onClose(): void {
    // There is nothing to do.
  }
}

const plural = (count: number): string => (count === 1 ? '' : 's');
