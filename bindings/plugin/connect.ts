/** Connections to other daemons. Part of `Services`. */

import type { Duplex } from 'node:stream';

export type { Duplex } from 'node:stream';

/** A Unix socket, or a TCP port. */
export type ConnectTarget = { readonly path: string } | { readonly host: string; readonly port: number };

/** What is asked of the other end's TLS. Its certificate has to be vouched for and to stand for the name. RFC 9525. */
export interface ConnectTls {
  /** Undefined: the host of the target; a Unix socket needs one. */
  readonly serverName?: string | undefined;
  /** Authorities in PEM instead of the system's. */
  readonly authorities?: string | undefined;
  /** Our own certificate and its key, in PEM, for daemons that ask for one. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Undefined: TLSv1.2. RFC 8996 forbids what is older. */
  readonly minimumVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
}

export interface ConnectOptions {
  /** Until the connection stands, TLS included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly tls?: ConnectTls | undefined;
}

/**
 * Rejects with an Error whose message an operator can read. The caller owns the stream: it listens to `error` and destroys the
 * stream in the end.
 */
export type Connect = (target: ConnectTarget, options: ConnectOptions) => Promise<Duplex>;
