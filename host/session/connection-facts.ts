/** The facts of one connection, as plugins see them. Kept apart from the input mode: facts only ever change by verbs. */

import type {
  Connection,
  ForwardedClient,
  ProxiedClient,
  TlsFacts,
} from '../../bindings/plugin/connection.ts';
import { Notes } from '../../bindings/plugin/notes.ts';
import {
  printAuthenticationResult,
  type AuthenticationResult,
} from '../../bindings/wire/authentication-result.ts';
import { whitelistHost } from '../../bindings/plugin/well-known-notes.ts';
import type { IncomingConnection, Login } from '../intake/incoming-connection.ts';
import { takeProxyTls } from '../intake/proxy-layer.ts';

/**
 * How long a result for Authentication-Results stands: as long as the client, the name it gave with HELO, its login, or the
 * transaction. In the order of the field.
 */
export type ResultLifetime = 'connection' | 'hello' | 'login' | 'transaction';

const LIFETIMES: readonly ResultLifetime[] = ['connection', 'hello', 'login', 'transaction'];

/** Where the dialogue is, for what is found there. */
export interface ResultTimes {
  readonly resultLifetime: ResultLifetime;
}

/** Stands for a missing host name, as in qpsmtpd. */
export const UNKNOWN_HOST = 'Unknown';

export class ConnectionFacts implements Connection {
  readonly id: string;
  readonly #intake: IncomingConnection;
  remoteHost = UNKNOWN_HOST;
  relayClient = false;
  hello: Connection['hello'] = undefined;
  helloHost: string | undefined = undefined;
  auth: { readonly user: string; readonly mechanism: string } | undefined = undefined;
  karma = 0;
  forwarded: ForwardedClient | undefined = undefined;
  /** A proxy's client is not counted: these are the proxy's connections. */
  fromSameAddress = 0;
  maxFromSameAddress: number | undefined = undefined;
  #notes: Notes<'connection'> | undefined = undefined;
  readonly #times: ResultTimes | undefined;
  #results: Map<ResultLifetime, string[]> | undefined = undefined;
  #remoteInfo: string | undefined = undefined;

  /** Without `times` results are those of the transaction, the shortest time there is. */
  constructor(id: string, intake: IncomingConnection, times?: ResultTimes) {
    this.id = id;
    this.#intake = intake;
    this.#times = times;
    if (intake.host !== undefined) this.remoteHost = intake.host;
    if (intake.info !== undefined) this.#remoteInfo = `${intake.info}@${intake.host ?? UNKNOWN_HOST}`;
    if (intake.login !== undefined) this.#logIn(intake.login);
  }

  #logIn({ user, mechanism, mayRelay }: Login): void {
    this.auth = { user, mechanism };
    this.relayClient = mayRelay;
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

  get service(): string | undefined {
    return this.#intake.listener?.service;
  }

  get remoteInfo(): string {
    return this.#remoteInfo ?? this.remoteHost;
  }

  get peerIp(): string {
    return this.#intake.peer.address;
  }

  takeClient({ ip, port, host }: ProxiedClient): void {
    this.#intake.remote = { address: ip, port };
    takeProxyTls(this.#intake);
    this.#intake.hops = [...this.#intake.hops, 'proxy-verb'];
    this.remoteHost = host ?? UNKNOWN_HOST;
    this.#remoteInfo = `[${ip}]`;
    this.relayClient = false;
    this.#notes?.delete(whitelistHost);
    this.#results = undefined;
  }

  get notes(): Notes<'connection'> {
    return (this.#notes ??= new Notes());
  }

  /** About what they take up, without making them. */
  get noteOctets(): number {
    return this.#notes?.octets ?? 0;
  }

  get tls(): TlsFacts | undefined {
    return this.#intake.tls;
  }

  /**
   * Forgets what the client said of itself in the clear, which an attacker on the way could have sent. RFC 3207 section
   * 4.2. Notes stay: they hold what plugins have against the client, and STARTTLS must not rid it of that.
   */
  forgetClient(): void {
    this.hello = undefined;
    this.helloHost = undefined;
    if (this.auth !== undefined) this.relayClient = false;
    this.auth = undefined;
    this.forwarded = undefined;
    this.forgetResults('hello');
    this.forgetResults('login');
  }

  addAuthenticationResult(result: AuthenticationResult | string): void {
    const text = typeof result === 'string' ? result : printAuthenticationResult(result);
    const results = (this.#results ??= new Map<ResultLifetime, string[]>());
    const lifetime = this.#times?.resultLifetime ?? 'transaction';
    const old = results.get(lifetime);
    if (old === undefined) results.set(lifetime, [text]);
    else old.push(text);
  }

  /** What stands of the client and of its present message: longest lifetime first, then in the order they were added. */
  get authenticationResults(): readonly string[] {
    const results = this.#results;
    return results === undefined ? [] : LIFETIMES.flatMap((lifetime) => results.get(lifetime) ?? []);
  }

  /** They must not vouch for what follows. */
  forgetResults(lifetime: ResultLifetime): void {
    this.#results?.delete(lifetime);
  }
}
