/** One POST and its answer, with limits on time and size. Redirects are answers like any other: nobody follows them. */

import { request as requestPlain, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestEncrypted, type RequestOptions } from 'node:https';
import { connectProblem } from '../../../bindings/plugin/connect.ts';
import type { Situation } from '../web/situations.ts';
import type { RequestBody } from './formats/request-body.ts';

/** Octets of an answer that are looked at; the rest is not waited for. */
const MAX_ANSWER_OCTETS = 8_192;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The answer came when the whole request had been sent. Only then it is about the message. */
  readonly isToAll: boolean;
}

/** Why there was no answer. */
export class HttpFault extends Error {
  readonly situation: Situation;
  /** A kept connection was closed by the server while it was idle: the request never began for it. */
  readonly isStale: boolean;

  constructor(situation: Situation, message: string, isStale = false) {
    super(message);
    this.name = 'HttpFault';
    this.situation = situation;
    this.isStale = isStale;
  }
}

export interface Posting {
  readonly url: URL;
  /** Undefined: a connection of its own. */
  readonly agent: Agent | undefined;
  readonly tls: Pick<RequestOptions, 'ca' | 'minVersion' | 'rejectUnauthorized'>;
  readonly headers: Readonly<Record<string, string | readonly string[] | number>>;
  readonly body: Pick<RequestBody, 'blocks'>;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Rejects with an `HttpFault`, and with nothing else. The connection is used again if both sides came to their end. */
export function post(posting: Posting): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const request = open(posting);
    let fault: HttpFault | undefined;
    let isAnswered = false;
    const fail = (next: HttpFault): void => {
      fault ??= next;
      request.destroy();
    };
    const limit = setTimeout(() => {
      fail(new HttpFault('late', `no answer within ${posting.requestTimeoutMs} ms`));
    }, posting.requestTimeoutMs);
    const stop = (): void => fail(new HttpFault('stopped', 'the delivery was stopped'));
    posting.signal.addEventListener('abort', stop, { once: true });
    const settle = (): void => {
      clearTimeout(limit);
      posting.signal.removeEventListener('abort', stop);
    };
    watchConnecting(request, posting.connectTimeoutMs, fail);
    request.once('response', (response) => {
      isAnswered = true;
      readAnswer(request, response, (answer) => {
        settle();
        if (!answer.isToAll) request.destroy();
        resolve(answer);
      });
    });
    request.on('error', (cause) => (fault ??= faultOf(request, cause)));
    request.once('close', () => {
      settle();
      // A server that refuses early closes the connection while the rest is on its way: its answer counts all the same.
      if (!isAnswered)
        reject(fault ?? new HttpFault('broken', 'closed without an answer', request.reusedSocket));
    });
    if (posting.signal.aborted) stop();
    send(request, posting.body).catch((cause: unknown) => fail(new HttpFault('unreadable', String(cause))));
  });
}

function open({ url, agent, tls, headers }: Posting): ClientRequest {
  const options: RequestOptions = {
    method: 'POST',
    headers: headers as Record<string, string | string[]>,
    agent: agent ?? false,
    ...tls,
  };
  return url.protocol === 'https:' ? requestEncrypted(url, options) : requestPlain(url, options);
}

/** A host that swallows packets must not cost as much time as one that works on its answer. */
function watchConnecting(request: ClientRequest, timeoutMs: number, fail: (fault: HttpFault) => void): void {
  request.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => {
      fail(new HttpFault('unreachable', `not connected within ${timeoutMs} ms`));
    }, timeoutMs);
    const done = (): void => clearTimeout(timer);
    const isEncrypted = 'encrypted' in socket;
    socket.once(isEncrypted ? 'secureConnect' : 'connect', done);
    request.once('close', done);
  });
}

async function send(request: ClientRequest, body: Posting['body']): Promise<void> {
  for await (const block of body.blocks()) {
    if (request.destroyed) return;
    if (!request.write(block)) await drained(request);
  }
  if (!request.destroyed) request.end();
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

/** Calls `done` once, whatever becomes of the rest: a status was seen. */
function readAnswer(
  request: ClientRequest,
  response: IncomingMessage,
  done: (answer: HttpAnswer) => void,
): void {
  const blocks: Buffer[] = [];
  let octets = 0;
  response.on('data', (block: Buffer) => {
    if (octets > MAX_ANSWER_OCTETS) return;
    octets += block.length;
    blocks.push(block);
    if (octets > MAX_ANSWER_OCTETS) response.destroy();
  });
  response.on('error', () => undefined);
  response.once('close', () => {
    const text = Buffer.concat(blocks).subarray(0, MAX_ANSWER_OCTETS).toString('latin1');
    const { statusCode: status = 0, headers } = response;
    done({ status, headers, text, isToAll: request.writableEnded && request.writableLength === 0 });
  });
}

const CONNECTING: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

function faultOf(request: ClientRequest, cause: Error): HttpFault {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const isStale = request.reusedSocket && CLOSED.has(code);
  const wasNeverConnected =
    request.socket?.connecting === true || CONNECTING.has(code) || /CERT|ALTNAME|TLS|SSL/.test(code);
  return new HttpFault(wasNeverConnected ? 'unreachable' : 'broken', connectProblem(cause), isStale);
}
