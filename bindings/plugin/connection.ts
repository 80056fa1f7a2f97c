import type { Address } from './address.ts';
import type { Message } from './message.ts';
import type { Notes } from './notes.ts';

/** TLS as it was negotiated, by us or by a proxy in front. */
export interface TlsFacts {
  readonly by: 'self' | 'proxy';
  /** `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher: string;
  readonly serverName?: string;
  readonly clientName?: string;
  /** The client's certificate was verified against the configured authorities. */
  readonly verified: boolean;
}

/** The client's connection: facts that outlive a transaction. */
export interface Connection {
  /** Unique in this process and, with the pid, on this host; stands in every log line. */
  readonly id: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localIp: string;
  readonly localPort: number;
  /** Name from the reverse lookup; `Unknown` without one. */
  readonly remoteHost: string;
  /** What greeting and Received say: the remote host, or more if the launcher knew more. */
  readonly remoteInfo: string;
  /** The client may relay. Set by the relay plugin and by a successful AUTH. */
  relayClient: boolean;
  readonly hello: 'helo' | 'ehlo' | undefined;
  readonly helloHost: string | undefined;
  readonly tls: TlsFacts | undefined;
  /** Set after a successful AUTH. */
  readonly auth: { readonly user: string; readonly mechanism: string } | undefined;
  /** Reputation earned in this connection; see `HookContext.adjustKarma`. */
  readonly karma: number;
  readonly notes: Notes<'connection'>;
  /** Results for the Authentication-Results field of the current message, joined with `; `. RFC 8601. */
  addAuthenticationResult(result: string): void;
}

/** ESMTP parameters of MAIL or RCPT: keywords in lower case, values as sent, `undefined` without `=`. */
export type Parameters = ReadonlyMap<string, string | undefined>;

/** One accepted forward-path. */
export interface Recipient {
  readonly address: Address;
  readonly parameters: Parameters;
}

/** From MAIL to the end of data. RFC 5321 section 3.3. */
export interface Transaction {
  /** Undefined until MAIL was accepted. */
  readonly reversePath: Address | undefined;
  readonly mailParameters: Parameters;
  readonly recipients: readonly Recipient[];
  addRecipient(address: Address): void;
  removeRecipient(address: Address): void;
  readonly notes: Notes<'transaction'>;
  /** The content. Throws `Q_NO_MESSAGE` before `data_headers_end`; the body is whole from `data_post_headers` on. */
  readonly message: Message;
}
