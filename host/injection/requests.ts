/** One request for an injection, from its token to its answer. */

import type { FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Store } from '../../bindings/plugin/store.ts';
import type { IncomingConnection } from '../intake/incoming-connection.ts';
import { connectInMemory } from '../intake/memory-acceptor.ts';
import type { HttpToken } from '../settings/http-tokens.ts';
import type { SettingValues } from '../settings/settings.ts';
import type { AnswerOf } from './answers.ts';
import {
  IdempotencyKeys,
  KeyCounts,
  readKey,
  requireSame,
  type Claim,
  type Fingerprint,
} from './idempotency.ts';
import { inject, type InjectedEnvelope } from './injection.ts';
import type { MessageContent } from './message-content.ts';
import { InjectionProblem, problemAnswer, type Answer } from './problems.ts';

/** A request as node has it: its header, and its body as a stream. */
export type HttpRequest = FastifyRequest['raw'];

/** What the server around the requests offers. */
export interface InjectionHost {
  readonly settings: Pick<SettingValues, 'httpTokens' | 'httpBodyLimit'>;
  /** The part of the store that goes by `name`. */
  openStore(name: string): Store;
  /** The client that sent the request; a trusted proxy may have named it. */
  clientOf(request: HttpRequest): Omit<IncomingConnection, 'stream' | 'outlivesStream'>;
  emit(intake: IncomingConnection): void;
  log(level: LogLevel, text: string): void;
}

/** A message as a request hands it in. */
export interface HandedIn {
  readonly envelope: InjectedEnvelope;
  readonly content: MessageContent;
  readonly answerOf: AnswerOf;
  /** SHA-256 of the body; undefined while it is not read. */
  bodyDigest(): string | undefined;
  /** Reads what is left of the body, for its digest. */
  readRest(): Promise<void>;
}

/** Reads a request in one of the forms. `over` tells when it is answered, or its client gone. */
export type ReadForm = (request: HttpRequest, over: AbortSignal) => HandedIn | Promise<HandedIn>;

/**
 * Throws an `InjectionProblem`, or an `InjectionAborted` if `signal` says so before the message is whole. `signal` has to
 * come when the request is answered, too.
 */
export async function serveInjection(
  host: InjectionHost,
  request: HttpRequest,
  read: ReadForm,
  signal: AbortSignal,
): Promise<Answer> {
  const token = authorize(host, request);
  const { listener, ...client } = host.clientOf(request);
  const key = readKey(request.headers['idempotency-key']);
  const handedIn = await read(request, signal);
  const run = async (): Promise<Answer> => {
    const login = { user: token.login, mechanism: 'HTTP', mayRelay: token.scopes.has('relay') };
    const outcome = await inject({
      connect: () =>
        connectInMemory((intake) => host.emit(intake), {
          ...client,
          // A PROXY header came before the request, if at all, and it is us who speaks here: ESMTP.
          listener: listener && { ...listener, proxy: undefined, isLmtp: undefined },
          hops: [...client.hops, 'http', 'inject'],
          login,
        }),
      envelope: handedIn.envelope,
      content: handedIn.content,
      hello: addressLiteral(client.remote.address),
      signal,
    });
    return handedIn.answerOf(outcome);
  };
  return key === undefined ? run() : runOnce(host, token.login, key, request, handedIn, run);
}

/** The client's address as EHLO has it. RFC 5321 section 4.1.3. */
export const addressLiteral = (address: string): string =>
  address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;

/** RFC 6750 sections 2.1 and 3. */
export function authorize(host: InjectionHost, request: HttpRequest): HttpToken {
  const shown = /^Bearer +([!-~]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  const ask = (error: string): Readonly<Record<string, string>> => ({
    'www-authenticate': `Bearer realm="injection"${error}`,
    connection: 'close',
  });
  if (shown === undefined)
    throw new InjectionProblem('unauthorized', 'send a token in "Authorization: Bearer TOKEN"', ask(''));
  // Of two, a server in front may have looked at the other.
  if (request.headersDistinct['authorization']!.length > 1)
    throw new InjectionProblem('malformed', 'there has to be one field Authorization', {
      connection: 'close',
    });
  const token = host.settings.httpTokens.find(shown);
  if (token === undefined) {
    host.log(LogLevel.NOTICE, `unknown HTTP token from ${host.clientOf(request).remote.address}`);
    throw new InjectionProblem('unauthorized', 'this token is unknown', ask(', error="invalid_token"'));
  }
  if (token.scopes.has('inject')) return token;
  throw new InjectionProblem(
    'forbidden',
    'the token has no scope inject in http_tokens',
    ask(', error="insufficient_scope", scope="inject"'),
  );
}

/** All listeners of the process share the store. */
export const keyCounts = new KeyCounts();

/** The request with its key: run by the first that comes with it, and answered alike for all others. */
async function runOnce(
  host: InjectionHost,
  login: string,
  key: string,
  request: HttpRequest,
  handedIn: HandedIn,
  run: () => Promise<Answer>,
): Promise<Answer> {
  const head = fingerprintOf(request);
  const keys = new IdempotencyKeys(host.openStore('http-idempotency'), keyCounts);
  const found = await keys.begin(login, key).catch((error: unknown) => refuseWithoutStore(host, error));
  if ('answer' in found) {
    if (found.fingerprint.body !== undefined) await handedIn.readRest();
    requireSame(found.fingerprint, { head, body: handedIn.bodyDigest() });
    return replayed(found.answer);
  }
  let answer: Answer | undefined;
  try {
    answer = await run();
  } finally {
    await letGo(host, found, answer, { head, body: handedIn.bodyDigest() });
  }
  return answer;
}

/** The answer once more; what it said of its own connection does not hold for this one. */
function replayed(answer: Answer): Answer {
  const kept = Object.entries(answer.headers).filter(([name]) => name !== 'connection');
  return { ...answer, headers: { ...Object.fromEntries(kept), 'idempotency-replayed': 'true' } };
}

/** What was deferred or broke off is tried again under the same key; everything else is final. */
async function letGo(
  host: InjectionHost,
  claim: Claim,
  answer: Answer | undefined,
  fingerprint: Fingerprint,
): Promise<void> {
  try {
    await (answer === undefined || answer.status >= 500
      ? claim.release()
      : claim.settle(fingerprint, answer));
  } catch (error) {
    // The message is where it is; the client has to be told.
    host.log(LogLevel.ERROR, `the answer to an idempotency key could not be kept: ${String(error)}`);
  }
}

/** A key is a promise that cannot be kept without the store. */
function refuseWithoutStore(host: InjectionHost, error: unknown): never {
  if (error instanceof InjectionProblem) throw error;
  host.log(LogLevel.ERROR, `idempotency keys cannot be looked up: ${String(error)}`);
  throw new InjectionProblem('deferred', 'idempotency keys cannot be looked up now');
}

function fingerprintOf({ method, url, headers }: HttpRequest): string {
  const parts = [method, url, headers['content-type']?.toLowerCase()];
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

/** The SHA-256 of octets that are read by somebody else, or here. */
export class TappedDigest {
  readonly #hash = createHash('sha256');
  readonly #source: Readable;
  #digest: string | undefined = undefined;

  constructor(source: Readable) {
    this.#source = source;
  }

  readonly tap = (block: Buffer): void => void this.#hash.update(block);

  get value(): string | undefined {
    return this.#source.readableEnded ? (this.#digest ??= this.#hash.digest('hex')) : undefined;
  }

  /** Reads the source to its end, if nobody has. Resolves when it has ended or broken off. */
  readRest(): Promise<void> {
    if (this.#source.readableEnded || this.#source.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#source.on('data', this.tap).once('end', resolve).once('close', resolve);
    });
  }
}

/** The answer for anything that was thrown. What is no problem of the client is a fault of ours, and goes to the log. */
export function answerTo(host: Pick<InjectionHost, 'log'>, error: unknown): Answer {
  if (error instanceof InjectionProblem) return error.answer;
  const { statusCode, message } = error as Error & { readonly statusCode?: unknown };
  if (statusCode === 400) return problemAnswer('malformed', message);
  host.log(LogLevel.ERROR, `an injection failed: ${String((error as Error).stack ?? error)}`);
  return problemAnswer('failed', 'the message was not taken; try again later');
}
