/** Asks web servers. Part of `Services`. RFC 9110. */

/** Why there was no answer, or none that could be used. */
export type HttpFaultKind =
  /** The addresses were refused, or nobody could be connected to. */
  | 'not connected'
  /** The certificate or the handshake does not fit. */
  | 'tls'
  | 'timeout'
  /** The signal of the caller. */
  | 'stopped'
  /** More than `maxOctets`. */
  | 'too large'
  /** Closed or reset before the end of the answer, or no HTTP. */
  | 'broken'
  /** One that is not followed: too many, to another scheme, with the body to another server. */
  | 'redirect'
  /** `body` threw. */
  | 'body';

export class HttpError extends Error {
  readonly kind: HttpFaultKind;
  /**
   * Octets of the request may have reached the server, which may have acted on them. False: it surely has not seen the
   * request.
   */
  readonly mayBeTaken: boolean;

  constructor(kind: HttpFaultKind, message: string, mayBeTaken: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HttpError';
    this.kind = kind;
    this.mayBeTaken = mayBeTaken;
  }
}

export type HttpHeaders = Readonly<Record<string, string | number | readonly string[]>>;

export interface HttpTls {
  /** Authorities in PEM instead of the system's. */
  readonly authorities?: string | undefined;
  /** What the certificate has to stand for. Undefined: the host of the URL. With it, redirects to other servers fail. */
  readonly serverName?: string | undefined;
  /** Undefined: TLSv1.2. RFC 8996 forbids what is older. */
  readonly minimumVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /**
   * In place of the usual comparison of names (RFC 9525): what is wrong with the certificate, in DER, for the server `name`;
   * undefined if it stands for it.
   */
  readonly nameProblem?: ((certificate: Buffer, name: string) => string | undefined) | undefined;
}

export interface HttpClientOptions {
  readonly tls?: HttpTls | undefined;
  /**
   * The addresses that may be connected to for a host, which is a name or an address itself; throws or rejects to refuse
   * it. Asked for each connection, which goes to one of these and not to what a second look-up says: a name in somebody
   * else's hands must not lead to services inside our network (server-side request forgery, DNS rebinding). Undefined: what
   * the system's look-up says.
   */
  readonly addresses?: ((host: string) => readonly string[] | Promise<readonly string[]>) | undefined;
}

export interface HttpRequest {
  readonly method: string;
  /** `http:` or `https:`. */
  readonly url: string | URL;
  /** Values are sent as they are: one with a line end is an error of the caller, which is thrown as it is. */
  readonly headers?: HttpHeaders | undefined;
  /**
   * The whole body, or a function that begins to read it: called once, and again for another attempt (`isRepeatable`) or a
   * redirect. Without a Content-Length among the headers its blocks are sent chunked. The buffers must not be changed before
   * the answer is there.
   */
  readonly body?: Buffer | (() => AsyncIterable<Buffer> | Iterable<Buffer>) | undefined;
  /** From the call to the last octet of the answer: waiting for a free connection, look-ups and redirects included. */
  readonly timeoutMs: number;
  /** For the look-up, the connection and its handshake. Undefined: `timeoutMs`. */
  readonly connectTimeoutMs?: number | undefined;
  /** For a pause in which no octet comes or goes. Undefined: `timeoutMs`. */
  readonly idleTimeoutMs?: number | undefined;
  /** Octets of the answer's body: never more of it are held in memory. Header fields have 16 KiB together. */
  readonly maxOctets: number;
  /**
   * Once the header of the answer is there, what goes wrong later (too large, too late, broken) ends the body where it is, and
   * is the answer's `fault`. Undefined: it is an error.
   */
  readonly isPartEnough?: boolean | undefined;
  /**
   * Redirects that are followed. Undefined: 0, and redirects are answers like any other. Never from https to http; to another
   * server without the body, and of the headers with Accept and User-Agent alone: all others may be credentials.
   */
  readonly maxRedirects?: number | undefined;
  /**
   * Sent again, once and over a new connection, if a kept connection turns out to be closed: whether the server had the
   * request cannot be told. Undefined: for GET and HEAD.
   */
  readonly isRepeatable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** The reason phrase. */
  readonly statusText: string;
  /** Names in lower case; of a field that came several times the values with a comma between, RFC 9110 section 5.3. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The caller's own. As it was sent: nothing is decompressed. */
  readonly body: Buffer;
  /** Why the body ends before its end, with `isPartEnough`; undefined if it is whole. */
  readonly fault: HttpError | undefined;
  /** The whole request had been sent when the answer ended: only then it is about all of it. */
  readonly isToAll: boolean;
}

/** Connections to web servers that are kept for the next request. */
export interface HttpClient {
  /** Rejects with an `HttpError`. */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections; requests under way come to their end. To be registered with `Setup.onClose`. */
  close(): void;
}

export interface Http {
  /**
   * The text of a document, or undefined if the server has none (404, 410). Rejects for any other answer, after
   * `timeoutMs` and for more than `maxOctets`. Follows redirects.
   */
  text(
    url: string,
    options: { readonly timeoutMs: number; readonly maxOctets: number },
  ): Promise<string | undefined>;
  /** One request over a connection of its own. Rejects with an `HttpError`. */
  request(request: HttpRequest & HttpClientOptions): Promise<HttpResponse>;
  /**
   * A client with connections of its own, for a plugin that asks often. `maxConnections` to one server at a time, others
   * wait; idle ones are closed after `keepMs` (undefined: 4,000, which is less than most servers wait).
   */
  client(
    options: HttpClientOptions & { readonly maxConnections: number; readonly keepMs?: number | undefined },
  ): HttpClient;
}
