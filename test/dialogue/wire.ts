/** What came from the server: a line with its terminator, or why there is none. */
export type Arrival =
  | { readonly kind: 'line'; readonly octets: Buffer }
  | { readonly kind: 'eof' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'timeout' };

/** The client's end of a connection, as a dialogue sees it. */
export interface Wire {
  /** Hands the octets over in one write; rejects with the transport's error once the connection is gone. */
  send(octets: Buffer): Promise<void>;
  /**
   * The next line, up to and including LF; what stands after the last LF when the server closes is a line too.
   * A reset is told once, after that it is the end.
   */
  readLine(timeoutMs: number): Promise<Arrival>;
  /** The complete lines that are here already or are just arriving; does not wait for the server. */
  takeWaiting(): Promise<Buffer[]>;
  /** Does the client's side of the TLS handshake; the certificate is not checked. Needs a socket. */
  startTls(): Promise<TlsReached>;
  /** Closes the connection and lets go of everything it held. */
  close(): void;
}

export interface TlsReached {
  /** `TLSv1.3` */
  readonly protocol: string;
  /** `TLS_AES_256_GCM_SHA384` */
  readonly cipher: string;
}
