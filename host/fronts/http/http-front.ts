/**
 * HTTP on the connections of one listener: requests go to fastify, and those that become sessions leave HTTP. The sockets come
 * from the acceptor of the listener; node's HTTP server is handed each of them, and listens nowhere itself.
 */

import type { FastifyInstance, FastifyReply } from 'fastify';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { LogLevel } from '../../../bindings/plugin/log-level.ts';
import type { Store } from '../../../bindings/plugin/store.ts';
import { PROBLEM_TYPE } from '../../injection/problems.ts';
import { clientsByDescriptors } from '../../intake/acceptance.ts';
import type { HttpOptions } from '../../intake/http-options.ts';
import type {
  Emit,
  IncomingConnection,
  ListenerOptions,
  Surroundings,
} from '../../intake/incoming-connection.ts';
import { takeProxied, tellNoHeader } from '../../intake/proxy-layer.ts';
import { requirePackage } from '../../package/optional-package.ts';
import type { SettingValues } from '../../settings/settings.ts';
import { clientOf, type HttpClient } from './http-client.ts';
import { HttpRefusal, problemOf, refuseOn } from './http-refusal.ts';
import {
  openConnect,
  openUpgrade,
  requireBareRequest,
  SMTP,
  UPGRADE_PATH,
  upgradeRequired,
  upgradesOf,
  type UpgradeRequest,
} from './smtp-tunnel.ts';
import { WEBSOCKET, WEBSOCKET_PATH, webSocketRequired, WebSocketTunnels } from './websocket-tunnel.ts';

/** Registers what a listener offers, where its options have it. */
export type Routes = (app: FastifyInstance, front: HttpFront) => void;

/** How long a connection may take, in milliseconds. */
export interface HttpTimes {
  /** For the head of a request: a client that sends it by single octets must not keep its place (slowloris). */
  readonly headMs: number;
  /** For a request with its content, from its first octet on. */
  readonly requestMs: number;
  /** Between two requests. Longer than fronts keep connections, so that these close them and not we. */
  readonly idleMs: number;
  /** Without an octet in either direction, while a request is worked on or its response not taken. */
  readonly silenceMs: number;
  /** How often it is looked for heads and requests that take too long. */
  readonly lookMs: number;
  /** For a place, while others have them all. */
  readonly waitMs: number;
}

export const TIMES: HttpTimes = {
  headMs: 15_000,
  requestMs: 300_000,
  idleMs: 75_000,
  silenceMs: 900_000,
  lookMs: 1_000,
  waitMs: 5_000,
};
const MAX_HEADER_OCTETS = 16_384;
const MAX_HEADER_FIELDS = 100;
/** Requests that hand in messages say for themselves how much they take. */
const BODY_OCTETS = 65_536;
/** Of the clients that the descriptors are enough for, so many may speak HTTP: the others are for SMTP. */
const SHARE_OF_DESCRIPTORS = 1 / 8;

export class HttpFront {
  readonly http: HttpOptions;
  readonly #routes: readonly Routes[];
  readonly #server: Server;
  readonly #connections = new Map<Duplex, HttpClient>();
  /** Accepted in the moment in which the places ran out, and how to stop the clock of each. */
  readonly #waiting = new Map<IncomingConnection, () => void>();
  readonly #times: HttpTimes;
  /** The response that was begun last on a connection and is not out yet. */
  readonly #answering = new WeakMap<Duplex, ServerResponse>();
  #app: FastifyInstance | undefined = undefined;
  #listener: ListenerOptions | undefined = undefined;
  #webSockets: WebSocketTunnels | undefined = undefined;
  #emit: Emit | undefined = undefined;
  #surroundings: Surroundings | undefined = undefined;
  #setFull: ((isFull: boolean) => void) | undefined = undefined;
  #isClosed = false;

  constructor(http: HttpOptions, routes: readonly Routes[], times = TIMES) {
    this.http = http;
    this.#routes = routes;
    this.#times = times;
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_OCTETS,
      headersTimeout: times.headMs,
      requestTimeout: times.requestMs,
      keepAliveTimeout: times.idleMs,
      connectionsCheckingInterval: times.lookMs,
    });
    // Fields beyond it would be left out in silence, such as what a proxy put behind a flood of them. They are counted below.
    this.#server.maxHeadersCount = 0;
    this.#server.timeout = times.silenceMs;
    this.#server
      .on('upgrade', (request, socket, head) => this.#leaveHttp({ request, socket, head }))
      .on('connect', (request, socket, head) => this.#leaveHttp({ request, socket, head }));
  }

  get settings(): SettingValues {
    return this.#house.settings;
  }

  /** Takes no more clients: sessions and requests that were begun go on. */
  get isDraining(): boolean {
    return this.#isClosed || this.#house.isDraining;
  }

  openStore(name: string): Store {
    return this.#house.openStore(name);
  }

  log(level: LogLevel, text: string): void {
    this.#house.log(level, text);
  }

  get #house(): Surroundings {
    if (this.#surroundings === undefined) throw new Error('the HTTP front is not open');
    return this.#surroundings;
  }

  /** Loads fastify and makes the routes. Throws `Q_PACKAGE` where it is not installed. */
  async prepare(): Promise<void> {
    if (this.#app !== undefined) return;
    const app = requirePackage('fastify').fastify({
      serverFactory: (handler) =>
        this.#server.on('request', (request, response) => {
          this.#keepInOrder(request.socket, response);
          handler(request, response);
        }),
      bodyLimit: BODY_OCTETS,
      clientErrorHandler: (error, socket) => refuseOn(socket, refusalOf(error)),
      frameworkErrors: (error, request, reply) => void answerWith(error, reply as FastifyReply, this),
    });
    this.#app = app;
    if (this.http.websocket) this.#webSockets = new WebSocketTunnels();
    app.addHook('onRequest', (request, _reply, done) => {
      done(faultOf(request.raw));
    });
    app.setErrorHandler((error, _request, reply) => answerWith(error, reply, this));
    app.setNotFoundHandler((_request, reply) =>
      answerWith(new HttpRefusal(404, 'there is nothing here'), reply, this),
    );
    for (const route of [health, upgrading, ...this.#routes]) route(app, this);
    await app.ready();
    // It does not listen, but this is when it begins to look for clients that are too slow.
    this.#server.emit('listening');
  }

  #keepInOrder(socket: Duplex, response: ServerResponse): void {
    this.#answering.set(socket, response);
    response.once('close', () => {
      if (this.#answering.get(socket) === response) this.#answering.delete(socket);
      // Node counts the connection as idle only after this.
      if (this.#waiting.size > 0) setImmediate(() => this.#server.closeIdleConnections());
    });
  }

  /** From now on connections are served. `setFull` is told when one has to wait for a place, and when none has to any more. */
  open(emit: Emit, surroundings: Surroundings, setFull?: (isFull: boolean) => void): void {
    this.#emit = emit;
    this.#surroundings = surroundings;
    this.#setFull = setFull;
  }

  /** Serves HTTP on a connection that was accepted, as soon as there is a place for it. */
  take(intake: IncomingConnection): void {
    if (this.#isClosed) turnAway(intake);
    else if (this.#waiting.size === 0 && !this.#isFull()) this.#enter(intake);
    else if (this.#waiting.size >= this.#places) turnAway(intake);
    else this.#queue(intake);
  }

  /** The kernel keeps the clients after this one, where another process that has a place can take them. */
  #queue(intake: IncomingConnection): void {
    const patience = setTimeout(() => this.#leaveQueue(intake, turnAway), this.#times.waitMs);
    const leave = (): void => this.#leaveQueue(intake);
    intake.stream.once('close', leave);
    this.#waiting.set(intake, () => {
      clearTimeout(patience);
      intake.stream.off('close', leave);
    });
    this.#setFull?.(true);
  }

  #leaveQueue(intake: IncomingConnection, then?: (intake: IncomingConnection) => void): void {
    this.#waiting.get(intake)?.();
    this.#waiting.delete(intake);
    then?.(intake);
    if (this.#waiting.size === 0) this.#setFull?.(false);
  }

  /** A place may be free. */
  #enterNext(): void {
    for (const [next] of this.#waiting) {
      if (this.#connections.size >= this.#places) return;
      this.#leaveQueue(next, (intake) => this.#enter(intake));
    }
  }

  #enter(intake: IncomingConnection): void {
    const { stream, listener } = intake;
    this.#connections.set(stream, intake);
    stream.once('close', () => this.#free(stream));
    const proxy = listener?.proxy;
    const proxied = proxy === undefined ? undefined : takeProxied(intake, proxy, this.settings);
    if (proxied === undefined) this.#serve(stream);
    else
      void proxied.then(
        () => this.#serve(stream),
        (error: Error) => this.log(LogLevel.NOTICE, tellNoHeader(intake, error)),
      );
  }

  #serve(stream: Duplex): void {
    this.#server.emit('connection', stream);
    // What came after a PROXY header is in the stream already.
    stream.resume();
  }

  get #places(): number {
    return Math.min(
      this.settings.maxHttpConnections,
      Math.ceil(clientsByDescriptors() * SHARE_OF_DESCRIPTORS),
    );
  }

  /** Those that only wait for their next request make room. */
  #isFull(): boolean {
    if (this.#connections.size < this.#places) return false;
    this.#server.closeIdleConnections();
    for (const stream of this.#connections.keys()) if (stream.destroyed) this.#connections.delete(stream);
    return this.#connections.size >= this.#places;
  }

  #free(stream: Duplex): void {
    if (this.#connections.delete(stream) && this.#waiting.size > 0) this.#enterNext();
  }

  /** Everything of a session's connection but its stream. Throws an `HttpRefusal` if a proxy says something odd. */
  clientOf(request: IncomingMessage): HttpClient {
    return clientOf(request, this.connectionOf(request), this.settings.httpProxies);
  }

  /** The connection that brought a request, whatever the request says. */
  connectionOf({ socket }: IncomingMessage): HttpClient {
    const connection = this.#connections.get(socket);
    if (connection === undefined) throw new HttpRefusal(400, 'the connection is gone');
    return { ...connection, listener: this.#listenerOfSessions(connection) };
  }

  /** What the line says of sessions: the PROXY header has been taken, and HTTP is over. */
  #listenerOfSessions({ listener }: HttpClient): ListenerOptions {
    return (this.#listener ??= { ...listener, proxy: undefined, http: undefined });
  }

  /** A connection that speaks HTTP no longer: it has no place here and none of its time limits. */
  release(socket: Duplex): void {
    this.#free(socket);
    if ('setTimeout' in socket && typeof socket.setTimeout === 'function') socket.setTimeout(0);
  }

  /** A session begins, with a place among all sessions if there is one. */
  emit(intake: IncomingConnection): void {
    if (this.#emit === undefined) intake.stream.destroy();
    else this.#emit(intake);
  }

  /** A response that is not out yet has to be first, whatever comes next on the connection. */
  #leaveHttp(upgrade: UpgradeRequest): void {
    const { request, socket, head } = upgrade;
    const open = this.#tunnelFor(request);
    const before = this.#answering.get(socket);
    if (before !== undefined) {
      const early = new HttpRefusal(400, 'the request before this one is not answered yet');
      before.once('close', () =>
        open === undefined ? this.#returnToHttp(upgrade) : refuseOn(socket, early),
      );
      return;
    }
    if (open === undefined) {
      this.#returnToHttp(upgrade);
      return;
    }
    try {
      const fault = faultOf(request);
      if (fault !== undefined) throw fault;
      requireBareRequest(request, head);
      if (this.#isClosed) throw new HttpRefusal(503, 'the server is about to stop', { 'Retry-After': '5' });
      open(this, upgrade);
    } catch (error) {
      refuseOn(socket, refusalOf(error));
    }
  }

  /** What begins the session that a request asks for; undefined if it asks for none that is offered. */
  #tunnelFor(request: IncomingMessage): OpenTunnel | undefined {
    if (request.method === 'CONNECT') return openConnect;
    const [path] = (request.url ?? '').split('?', 1);
    const wanted = upgradesOf(request);
    if (this.http.upgrade && path === UPGRADE_PATH && wanted.includes(SMTP)) return openUpgrade;
    const webSockets = this.#webSockets;
    if (webSockets === undefined || path !== WEBSOCKET_PATH || !wanted.includes(WEBSOCKET)) return undefined;
    return (front, upgrade) => webSockets.open(front, upgrade);
  }

  /**
   * A wish for another protocol is ignored: some clients, such as Java's, ask for HTTP/2 with every first request. RFC 9110
   * section 7.8. Node has given up the connection, so it gets it again, with the request as if nothing had been wished.
   */
  #returnToHttp({ request, socket, head }: UpgradeRequest): void {
    if (socket.destroyed) return;
    socket.unshift(Buffer.concat([Buffer.from(headWithoutUpgrade(request), 'latin1'), head]));
    this.#serve(socket);
  }

  /** Takes no more; requests that were begun are answered, and the sessions go on. */
  close(): void {
    this.#isClosed = true;
    for (const [intake] of this.#waiting) this.#leaveQueue(intake, turnAway);
    this.#server.close();
    this.#server.closeIdleConnections();
  }
}

function turnAway({ stream }: IncomingConnection): void {
  refuseOn(stream, new HttpRefusal(503, 'too many connections', { 'Retry-After': '5' }), 0);
}

type OpenTunnel = (front: HttpFront, upgrade: UpgradeRequest) => void;

/** The head of a request as it came, but for what is said of changing to another protocol. */
function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name, value] = [rawHeaders[index]!, rawHeaders[index + 1]!];
    const field = name.toLowerCase();
    const options = value.split(',').filter((option) => option.trim().toLowerCase() !== 'upgrade');
    if (field === 'connection') lines.push(`${name}: ${options.join(',')}`);
    else if (field !== 'upgrade') lines.push(`${name}: ${value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Whether the process serves: a balancer that asks sends its clients elsewhere while it is about to stop. */
const health: Routes = (app, front) => {
  app.get('/healthz', (_request, reply) => {
    void reply
      .code(front.isDraining ? 503 : 200)
      .type('text/plain')
      .send(front.isDraining ? 'draining\n' : 'ok\n');
  });
};

/** Requests that did not ask to leave HTTP, or whose wish a proxy has taken out. */
const upgrading: Routes = (app, { http }) => {
  const refuse = (path: string, refusal: () => HttpRefusal): void => {
    app.get(path, { exposeHeadRoute: false }, () => {
      throw refusal();
    });
  };
  if (http.upgrade) refuse(UPGRADE_PATH, upgradeRequired);
  if (http.websocket) refuse(WEBSOCKET_PATH, webSocketRequired);
};

/** What is wrong with the head of any request. */
function faultOf({ rawHeaders, httpVersion, headers }: IncomingMessage): HttpRefusal | undefined {
  if (rawHeaders.length > 2 * MAX_HEADER_FIELDS) return new HttpRefusal(431, 'too many header fields');
  // Two of them: a proxy may have looked at the other (RFC 9112 section 3.2).
  const hosts = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length;
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1') || !HOST.test(headers.host ?? ''))
    return new HttpRefusal(400, 'there has to be one field Host, with a name or an address');
  return undefined;
}

/** RFC 9110 section 7.2; empty where the target has none. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?$/;

/** Errors of node's parser and of fastify have a status, or a code that stands for one. */
function refusalOf(error: unknown): HttpRefusal {
  if (error instanceof HttpRefusal) return error;
  const { code, statusCode, message } = error as Error & { code?: unknown; statusCode?: unknown };
  if (code === 'HPE_HEADER_OVERFLOW') return new HttpRefusal(431, 'the header is too large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new HttpRefusal(408, 'the request took too long');
  if (typeof code === 'string' && code.startsWith('HPE_'))
    return new HttpRefusal(400, 'this is no HTTP request');
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return new HttpRefusal(statusCode, message);
  return new HttpRefusal(500, 'something went wrong here');
}

/** A fault of ours goes to the log; what the client is told names no part of the program. */
function answerWith(error: unknown, reply: FastifyReply, front: HttpFront): FastifyReply {
  const { statusCode, message, headers } = refusalOf(error);
  if (statusCode === 500)
    front.log(LogLevel.ERROR, `HTTP request failed: ${String((error as Error).stack ?? error)}`);
  return reply.code(statusCode).headers(headers).type(PROBLEM_TYPE).send(problemOf(statusCode, message));
}
