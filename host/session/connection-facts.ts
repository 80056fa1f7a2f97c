/** The facts of one connection, as plugins see them. Kept apart from the input mode: facts only ever change by verbs. */

import type { Connection, TlsFacts } from '../../bindings/plugin/connection.ts';
import { Notes } from '../../bindings/plugin/notes.ts';
import type { Intake } from '../intake/intake.ts';

/** What the launcher or the reverse lookup would have told; qpsmtpd's word for "no name". */
export const UNKNOWN_HOST = 'Unknown';

export class ConnectionFacts implements Connection {
  readonly id: string;
  readonly #intake: Intake;
  remoteHost = UNKNOWN_HOST;
  relayClient = false;
  hello: 'helo' | 'ehlo' | undefined = undefined;
  helloHost: string | undefined = undefined;
  auth: { readonly user: string; readonly mechanism: string } | undefined = undefined;
  karma = 0;
  notes = new Notes<'connection'>();
  #authenticationResults: string[] | undefined = undefined;

  constructor(id: string, intake: Intake) {
    this.id = id;
    this.#intake = intake;
    if (intake.host !== undefined) this.remoteHost = intake.host;
  }

  get remoteIp(): string {
    return this.#intake.remote.address;
  }

  get remotePort(): number {
    return this.#intake.remote.port;
  }

  get localIp(): string {
    return this.#intake.local.address;
  }

  get localPort(): number {
    return this.#intake.local.port;
  }

  get remoteInfo(): string {
    return this.remoteHost;
  }

  get tls(): TlsFacts | undefined {
    return this.#intake.tls;
  }

  addAuthenticationResult(result: string): void {
    (this.#authenticationResults ??= []).push(result);
  }

  /** Hands over the results of the current message and forgets them: they must not vouch for the next one. */
  takeAuthenticationResults(): readonly string[] {
    const results = this.#authenticationResults ?? [];
    this.#authenticationResults = undefined;
    return results;
  }
}
