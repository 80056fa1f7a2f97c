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

/** A connection that is under way or stands. */
export interface ConnectionStream extends Duplex {
  /** The process may end although the connection stands. */
  unref(): this;
  ref(): this;
}

export interface BeginOptions {
  /**
   * Takes what arrives, instead of the event `data`, until the stream is secured. `octets` lie in a buffer that all
   * connections share: they change once the call is over. Saves a buffer for each read.
   */
  readonly onOctets?: ((octets: Buffer) => void) | undefined;
}

/** TLS on a stream that stands, after STARTTLS say. */
export interface SecureTls extends ConnectTls {
  /** For server name indication, unless it is an address; undefined: none is sent. RFC 6066 section 3. */
  readonly serverName?: string | undefined;
  /** The certificate has to stand for one of these. Undefined: for `serverName`. */
  readonly names?: readonly string[] | undefined;
  /** True: every certificate will do for the handshake, and the caller judges `SecuredStream.peer`. RFC 7435, RFC 7672. */
  readonly isJudgedByCaller?: boolean | undefined;
}

/** What is known of the other end's certificate after the handshake. */
export interface PeerCertificate {
  /** DER, the other end's own first, then its issuers as far as they were sent or are known. */
  readonly chain: readonly Buffer[];
  /** Why no authority vouches for it; undefined if one does. */
  readonly distrust: string | undefined;
  /** It stands for one of the names: RFC 9525, wildcards included. */
  readonly hasName: boolean;
}

export interface SecuredStream {
  readonly stream: ConnectionStream;
  readonly peer: PeerCertificate;
  /** `TLSv1.3`. */
  readonly protocol: string;
}

export interface Connect {
  /**
   * Resolves once the connection stands. Rejects with an Error whose message an operator can read. The caller owns the
   * stream: it listens to `error` and destroys the stream in the end.
   */
  (target: ConnectTarget, options: ConnectOptions): Promise<Duplex>;
  /**
   * Returns at once: `connect` is emitted when the connection stands, `error` where it can't be made (`connectProblem` says
   * why). For those who keep time themselves, over many connections. What is written leaves at once, without Nagle's delay.
   */
  begin(target: ConnectTarget, options?: BeginOptions): ConnectionStream;
  /**
   * Goes on under TLS. What arrives is emitted as `data` from now on. Rejects with the error of TLS, whose `code` begins with
   * `ERR_SSL_` where the other end refuses for good, and if `stream` is closed meanwhile: keeping time is up to the caller.
   */
  secure(stream: Duplex, tls: SecureTls): Promise<SecuredStream>;
  /** Throws an Error if authorities, certificate and key can't be read, or don't fit together. */
  check(tls: Pick<ConnectTls, 'authorities' | 'certificate' | 'key'>): void;
}

/**
 * Why nobody could be connected to, with the port: Node leaves the message empty where a name had several addresses, and
 * names no port where the name has none. `port` undefined: a Unix socket.
 */
export function connectProblem(cause: unknown, port?: number): string {
  if (cause instanceof AggregateError && cause.message === '')
    return [...new Set(cause.errors.map((each) => connectProblem(each, port)))].join(', ');
  if (!(cause instanceof Error)) return String(cause);
  const { code, syscall } = cause as NodeJS.ErrnoException;
  const text = cause.message === '' ? (code ?? cause.name) : cause.message;
  return port === undefined || syscall === undefined || text.includes(`:${port}`)
    ? text
    : `${text} port ${port}`;
}
