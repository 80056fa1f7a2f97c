/** What a client says and what it waits for: the words the load generator is written in. */

/** Octets sent in one write, and the replies that must have come before the next exchange. */
export interface Exchange {
  readonly octets: Buffer;
  readonly replies: number;
  /**
   * - `envelope`: a message begins here
   * - `content`: sent only if the reply before was 354; the message ends with its reply
   * - `starttls`: a TLS handshake follows a 220
   * - `close`: the server may close the connection instead of answering
   */
  readonly kind?: 'envelope' | 'content' | 'starttls' | 'close';
}

/** Everything a client says on one connection after the greeting. */
export type Script = readonly Exchange[];

/** A connection to make. */
export interface Visit {
  readonly script: Script;
  /** The loopback address to come from; the system's choice if undefined. */
  readonly from?: string;
}

export const say = (text: string, kind?: Exchange['kind']): Exchange => ({
  octets: Buffer.from(`${text}\r\n`, 'latin1'),
  replies: 1,
  ...(kind === undefined ? {} : { kind }),
});

/** Several commands in one write (RFC 2920). */
export const sayTogether = (lines: readonly string[], kind?: Exchange['kind']): Exchange => ({
  octets: Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1'),
  replies: lines.length,
  ...(kind === undefined ? {} : { kind }),
});
