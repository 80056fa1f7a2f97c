/** One request over one connection, and its answer. */

import { request as requestPlain, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestEncrypted, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import {
  HttpError,
  type HttpFaultKind,
  type HttpHeaders,
  type HttpRequest,
  type HttpResponse,
} from '../../bindings/plugin/http.ts';
import { connectProblem } from '../../bindings/plugin/connect.ts';

export interface Exchange extends Pick<
  HttpRequest,
  'method' | 'body' | 'connectTimeoutMs' | 'idleTimeoutMs' | 'maxOctets' | 'isPartEnough'
> {
  readonly url: URL;
  readonly headers: HttpHeaders;
  /** False: a connection of its own. */
  readonly agent: Agent | false;
  /** The look-up of names, and TLS. */
  readonly socket: Pick<
    RequestOptions,
    'lookup' | 'ca' | 'minVersion' | 'servername' | 'checkServerIdentity'
  >;
  /** Its reason becomes the fault. */
  readonly signal: AbortSignal;
}

/** Why the whole request ends before its answer is there: the reason of an abort. */
export class Ending extends Error {
  readonly kind: 'timeout' | 'stopped';

  constructor(kind: 'timeout' | 'stopped', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A kept connection was closed by the server while it was idle: most likely the request never began for it. */
export class StaleConnection extends HttpError {}

/** Octets of a body that are handed to the socket at once, so that it can be seen whether they move. */
const BLOCK_OCTETS = 65_536;
/** How often it is looked, in the time that an idle connection has. */
const LOOKS = 4;
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** Rejects with an `HttpError`. The connection is used again if both sides came to their end. */
export function exchange(options: Exchange): Promise<HttpResponse> {
  return new Promise((resolve, reject) => new RunningExchange(options, resolve, reject).begin());
}

class RunningExchange {
  readonly #exchange: Exchange;
  readonly #request: ClientRequest;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (fault: HttpError) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  #stage: 'connecting' | 'handshake' | 'open' = 'connecting';
  #fault: HttpError | undefined = undefined;
  #isAnswered = false;

  constructor(
    options: Exchange,
    resolve: (response: HttpResponse) => void,
    reject: (fault: HttpError) => void,
  ) {
    this.#exchange = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#request = open(options);
  }

  begin(): void {
    const { body, signal } = this.#exchange;
    const request = this.#request;
    signal.addEventListener('abort', this.#end, { once: true });
    request.once('socket', (socket) => this.#watch(socket));
    request.once('response', (response) => {
      this.#isAnswered = true;
      this.#read(response);
    });
    request.on('error', (cause) => (this.#fault ??= this.#faultOf(cause)));
    request.once('close', () => {
      this.#settle();
      // A server that refuses early closes the connection while the rest is on its way: its answer counts all the same.
      if (!this.#isAnswered) this.#reject(this.#fault ?? this.#closed('closed without an answer'));
    });
    if (signal.aborted) this.#end();
    this.#send(body).catch((cause: unknown) => this.#fail('body', String(cause), cause));
  }

  readonly #end = (): void => {
    const { reason } = this.#exchange.signal as { reason: unknown };
    if (reason instanceof Ending) this.#fail(reason.kind, reason.message);
    else this.#fail('stopped', 'the request was stopped');
  };

  #fail(kind: HttpFaultKind, message: string, cause?: unknown): void {
    this.#fault ??= new HttpError(kind, message, this.#stage === 'open', { cause });
    this.#request.destroy();
  }

  #settle(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#exchange.signal.removeEventListener('abort', this.#end);
  }

  /** A host that swallows packets must not cost as much time as one that works on its answer. */
  #watch(socket: Socket): void {
    if (!socket.connecting) return this.#opened(socket);
    const { connectTimeoutMs } = this.#exchange;
    const timer =
      connectTimeoutMs === undefined
        ? undefined
        : setTimeout(
            () => this.#fail('not connected', `not connected within ${connectTimeoutMs} ms`),
            connectTimeoutMs,
          );
    if (timer !== undefined) this.#timers.push(timer);
    const opened = (): void => {
      clearTimeout(timer);
      this.#opened(socket);
    };
    if (this.#exchange.url.protocol === 'https:') {
      socket.once('connect', () => (this.#stage = 'handshake'));
      socket.once('secureConnect', opened);
    } else socket.once('connect', opened);
  }

  #opened(socket: Socket): void {
    this.#stage = 'open';
    const { idleTimeoutMs } = this.#exchange;
    if (idleTimeoutMs === undefined) return;
    let [moved, looks] = [-1, 0];
    const look = (): void => {
      const now = socket.bytesRead + socket.bytesWritten - socket.writableLength;
      looks = now === moved ? looks + 1 : 0;
      moved = now;
      if (looks >= LOOKS) this.#fail('timeout', `nothing came or went for ${idleTimeoutMs} ms`);
    };
    look();
    this.#timers.push(setInterval(look, Math.ceil(idleTimeoutMs / LOOKS)));
  }

  async #send(body: HttpRequest['body']): Promise<void> {
    const request = this.#request;
    const blocks = body === undefined ? [] : typeof body === 'function' ? body() : slicesOf(body);
    for await (const block of blocks) {
      if (request.destroyed) return;
      if (!request.write(block)) await drained(request);
    }
    if (!request.destroyed) request.end();
  }

  /** Settles with the end of the answer, however it came. */
  #read(response: IncomingMessage): void {
    const { maxOctets, isPartEnough = false } = this.#exchange;
    const blocks: Buffer[] = [];
    let room = maxOctets;
    response.on('data', (block: Buffer) => {
      if (room < 0) return;
      blocks.push(block.subarray(0, room));
      room -= block.length;
      if (room < 0) this.#fail('too large', `the answer has more than ${maxOctets} octets`);
    });
    response.on('error', (cause) => (this.#fault ??= this.#faultOf(cause)));
    response.once('close', () => {
      this.#settle();
      const isToAll = this.#request.writableEnded && this.#request.writableLength === 0;
      if (!isToAll) this.#request.destroy();
      const isEnded = response.complete && room >= 0;
      const fault = isEnded ? undefined : (this.#fault ?? this.#closed('closed within the answer'));
      if (fault !== undefined && !isPartEnough) return this.#reject(fault);
      this.#resolve({
        status: response.statusCode ?? 0,
        statusText: response.statusMessage ?? '',
        headers: joined(response),
        body: Buffer.concat(blocks),
        fault,
        isToAll,
      });
    });
  }

  #closed(message: string): HttpError {
    const isOpen = this.#stage === 'open';
    const Kind = this.#request.reusedSocket && !this.#isAnswered ? StaleConnection : HttpError;
    return new Kind('broken', message, isOpen);
  }

  #faultOf(cause: Error): HttpError {
    const { code = '' } = cause as NodeJS.ErrnoException;
    const message = connectProblem(cause);
    if (CLOSED.has(code)) return this.#closed(message);
    if (this.#stage === 'open') return new HttpError('broken', message, true, { cause });
    const kind = this.#stage === 'connecting' ? 'not connected' : 'tls';
    return new HttpError(kind, message, false, { cause });
  }
}

function open({ url, method, headers, body, agent, socket }: Exchange): ClientRequest {
  const isSized = Object.keys(headers).some((name) => name.toLowerCase() === 'content-length');
  const size = Buffer.isBuffer(body) && !isSized ? { 'Content-Length': body.length } : {};
  const options: RequestOptions = {
    method,
    headers: { ...headers, ...size } as Record<string, string | number | string[]>,
    agent,
    ...socket,
  };
  return url.protocol === 'https:' ? requestEncrypted(url, options) : requestPlain(url, options);
}

function* slicesOf(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += BLOCK_OCTETS) yield body.subarray(at, at + BLOCK_OCTETS);
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off('drain', done).off('close', done);
      resolve();
    };
    request.on('drain', done).on('close', done);
  });
}

const joined = ({ headers }: IncomingMessage): HttpResponse['headers'] =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
