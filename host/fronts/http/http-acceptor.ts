/** The acceptor of an `http://` listener: sockets as of any other listener, and HTTP on them until they become sessions. */

import type { Acceptor, Emit, ListenerWatch, Surroundings } from '../../intake/incoming-connection.ts';
import type { ListenSpec } from '../../intake/listen-spec.ts';
import { createAcceptor } from '../../intake/acceptors.ts';
import { addInjections } from '../../injection/routes.ts';
import { requirePackage } from '../../package/optional-package.ts';
import type { TokenScope } from '../../settings/http-tokens.ts';
import { HttpFront, type Routes } from './http-front.ts';
import { nginxAuth } from './nginx-auth.ts';

/** What listeners for HTTP offer besides sessions. */
const ROUTES: readonly Routes[] = [(app, front) => addInjections(app, front.http.inject, front), nginxAuth];

/** Throws `Q_PACKAGE` if a listener needs a package that is not installed. */
export function requireFront({ http }: ListenSpec): void {
  if (http === undefined) return;
  requirePackage('fastify');
  if (http.websocket) requirePackage('ws');
}

/** The acceptor of any listener, with HTTP on its sockets if its line says so. */
export function createFront(spec: ListenSpec): Acceptor {
  const sockets = createAcceptor(spec);
  return spec.http === undefined ? sockets : new HttpAcceptor(sockets, new HttpFront(spec.http, ROUTES));
}

export class HttpAcceptor implements Acceptor {
  readonly #sockets: Acceptor;
  readonly #front: HttpFront;
  /** Because all places of sessions are taken, or those of HTTP. */
  readonly #pauses = { sessions: false, http: false };

  constructor(sockets: Acceptor, front: HttpFront) {
    this.#sockets = sockets;
    this.#front = front;
  }

  get service(): string | undefined {
    return this.#sockets.service;
  }

  get needsToken(): TokenScope | undefined {
    return this.#front.http.inject.length > 0 ? 'inject' : undefined;
  }

  async bind(): Promise<string> {
    await this.#front.prepare();
    return this.#sockets.bind();
  }

  open(emit: Emit, watch: ListenerWatch, surroundings: Surroundings): void {
    this.#front.open(emit, surroundings, (isFull) => {
      this.#pauses.http = isFull;
      this.#pause();
    });
    this.#sockets.open((intake) => this.#front.take(intake), watch);
  }

  setPaused(isPaused: boolean): boolean {
    this.#pauses.sessions = isPaused;
    return this.#pause();
  }

  #pause(): boolean {
    const { sessions, http } = this.#pauses;
    return this.#sockets.setPaused?.(sessions || http) ?? false;
  }

  get descriptor(): number | undefined {
    return this.#sockets.descriptor;
  }

  close(isPassedOn?: boolean): Promise<void> {
    this.#front.close();
    return this.#sockets.close(isPassedOn);
  }
}
