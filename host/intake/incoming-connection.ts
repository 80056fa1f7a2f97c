/**
 * A client's connection. Acceptors (TCP, Unix socket, memory) make it; no code after that needs to know which of them
 * did. Layers such as PROXY and TLS change the same object before a session sees it.
 */

import type { Duplex } from 'node:stream';
import type { AddressRanges } from '../config/address-ranges.ts';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import type { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Store } from '../../bindings/plugin/store.ts';
import type { TokenScope } from '../settings/http-tokens.ts';
import type { SettingValues } from '../settings/settings.ts';
import type { HttpOptions } from './http-options.ts';

/** One end of a connection. Unix sockets have a path and no address. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly path?: string;
}

/** IPv4 clients of an IPv6 socket are known by their IPv4 address, as every list of addresses expects. */
export function endpoint(address = '', port = 0): Endpoint {
  return {
    address: address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address,
    port,
  };
}

/** Which peers have to send a PROXY header. No peer may choose: one that could would take any address. */
export interface ProxyOptions {
  /** Peers that may not send one are turned away; otherwise they are served as the clients they are. */
  readonly isRequired: boolean;
  /** The peers that may, and then must; undefined: those in `proxy_hosts`, or this host if there is no such file. */
  readonly from: AddressRanges | undefined;
  /** What a peer whose header is none reads before the connection ends; undefined: nothing. */
  readonly refusal?: string | undefined;
}

/** What the line of a listener says of its clients, whatever kind of socket they come by. */
export interface ListenerOptions {
  /** Whether TLS begins before the first octet of SMTP. Undefined: not configured; on port 465 it does. */
  readonly startsWithTls?: boolean | undefined;
  /** The clients of its proxies have come by TLS, which a proxy has ended. Holds for no other peer, see `takeProxyTls`. */
  readonly isTlsByProxy?: boolean | undefined;
  /** Its proxies speak SMTP themselves, so that XCLIENT after a PROXY header is theirs and not their clients'. */
  readonly hasSpeakingProxies?: boolean | undefined;
  /** Its clients speak LMTP. RFC 2033. */
  readonly isLmtp?: boolean | undefined;
  /** Undefined: no client of this listener may send a PROXY header. */
  readonly proxy?: ProxyOptions | undefined;
  /** Its clients speak HTTP first; undefined: SMTP at once. */
  readonly http?: HttpOptions | undefined;
  /** Whose plugins and settings its clients meet; undefined: those of files without a service. */
  readonly service?: string | undefined;
}

export interface IncomingConnection {
  /**
   * The octets of SMTP, both ways. Paused until a session listens. TLS puts another stream in its place. The maker of
   * the stream listens to its errors, or the first reset would end the process; an error destroys the stream.
   */
  stream: Duplex;
  /** What was written reaches the client though the stream be destroyed: the kernel has it. TLS has to end properly. */
  outlivesStream: boolean;
  /** What the octets came through, outermost first (`tcp`, `unix`, `stdin`, `memory`, `proxy-v1`, `proxy-v2`, `http`, `tls`): for log and policy. */
  hops: readonly string[];
  /** The socket's other end. Every decision about trust uses this, never `remote`, which a proxy may have named. */
  readonly peer: Endpoint;
  /** The client, as far as known; equals `peer` unless a trusted layer said otherwise. */
  remote: Endpoint;
  local: Endpoint;
  /** What its listener was told, the same object for all its clients; undefined: nothing. */
  readonly listener?: ListenerOptions | undefined;
  /** The proxy asks for itself, such as for our health: no plugin is asked, and nothing is counted. */
  isProbe?: boolean;
  /** The address under which it counts among the connections of one client; undefined if nobody counts it. */
  countedAs?: string;
  /** What the proxy calls this connection in its own log. */
  proxyId?: string;
  /** Set once TLS is on, by us or by a proxy. */
  tls?: TlsFacts;
  /** Name of the client from the launcher or a proxy, which saves the reverse lookup. */
  host?: string;
  /** What the launcher has heard of the client's user, from its ident daemon. RFC 1413. */
  info?: string;
  /** The front that let the client in knows who it is. */
  login?: Login;
}

/** A client that has shown who it is before the dialogue begins. */
export interface Login {
  readonly user: string;
  /** How it has, for the trace and the log. */
  readonly mechanism: string;
  readonly mayRelay: boolean;
}

/** Takes what an acceptor lets in. */
export type Emit = (intake: IncomingConnection) => void;

/** Is told of faults of a listener. */
export interface ListenerWatch {
  /** A client could not be accepted, or the next one could not be, because `what` has run out. */
  refused(what: string): void;
  /** Something is wrong, and has been mended. */
  note(text: string): void;
  /** The listener is gone and cannot be opened again. */
  lost(error: Error): void;
  /** The only client that this listener ever had is gone. */
  ended?(): void;
}

/** What acceptors are told of the server they let clients into, as it is at each moment. */
export interface Surroundings {
  readonly settings: SettingValues;
  /** The process takes no more clients, and is about to end. */
  readonly isDraining: boolean;
  /** The part of the store that goes by `name`. Throws where there can be no store. */
  openStore(name: string): Store;
  log(level: LogLevel, text: string): void;
}

export interface Acceptor {
  /** Clients of this one begin with TLS, so there must be a certificate. */
  readonly needsTls?: boolean;
  /** The service of its clients; undefined: none. */
  readonly service?: string | undefined;
  /** Clients of this one have to show a token with this scope, so there must be one. */
  readonly needsToken?: TokenScope | undefined;
  /** Binds the socket and returns the bound address as a listen spec. Throws `Q_LISTEN` with the remedy. */
  bind(): Promise<string>;
  /** Starts handing over clients; those who came since `bind` are first. */
  open(emit: Emit, watch?: ListenerWatch, surroundings?: Surroundings): void;
  /**
   * Leaves clients to the kernel, where other processes that listen on the same socket can take them, or takes them again.
   * False, or no such method: this listener cannot pause.
   */
  setPaused?(isPaused: boolean): boolean;
  /** Of the listening socket, for a process that is to listen on it as well; undefined: it cannot be passed on. */
  readonly descriptor?: number | undefined;
  /**
   * Stops listening; connections already handed over go on. `isPassedOn`: another process listens on the socket as well, and the
   * file of a Unix socket is its own.
   */
  close(isPassedOn?: boolean): Promise<void>;
}
