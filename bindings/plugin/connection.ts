import type { Address } from '../wire/address.ts';
import type { AuthenticationResult } from '../wire/authentication-result.ts';
import type { Message } from './message.ts';
import type { Notes } from './notes.ts';

/** TLS as it was negotiated, by us or by a proxy in front. */
export interface TlsFacts {
  readonly by: 'self' | 'proxy';
  /** `TLSv1.3`; undefined if a proxy has ended TLS and does not say. */
  readonly version?: string;
  /** OpenSSL's name of the cipher suite; undefined if a proxy has ended TLS and does not say. */
  readonly cipher?: string;
  readonly serverName?: string;
  readonly clientName?: string;
  /** The client's certificate was verified against the configured authorities. */
  readonly verified: boolean;
}

/** The client's connection: facts that outlive a transaction. */
export interface Connection {
  /** Unique in this process and, with the pid, on this host; stands in every log line. */
  readonly id: string;
  /** The client's address, as far as known: a trusted proxy may have told it. */
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localIp: string;
  readonly localPort: number;
  /** Name from the reverse lookup; `Unknown` without one. */
  readonly remoteHost: string;
  /** What greeting and Received say: the remote host, or more if the launcher knew more. */
  readonly remoteInfo: string;
  /** What its listener says with `service=NAME`; undefined: nothing. */
  readonly service: string | undefined;
  /** The client may relay. Set by the relay plugin and by a successful AUTH. */
  relayClient: boolean;
  /** `lhlo`: the client speaks LMTP, RFC 2033. */
  readonly hello: 'helo' | 'ehlo' | 'lhlo' | undefined;
  readonly helloHost: string | undefined;
  readonly tls: TlsFacts | undefined;
  /** Set after a successful AUTH. */
  readonly auth: { readonly user: string; readonly mechanism: string } | undefined;
  /** Reputation earned in this connection; see `HookContext.adjustKarma`. */
  readonly karma: number;
  readonly notes: Notes<'connection'>;
  /** Open connections from the other end's address, this one included; 0 where they are not counted (Unix sockets). */
  readonly fromSameAddress: number;
  /** How many of them `--max-from-ip` allows; undefined for no limit. */
  readonly maxFromSameAddress: number | undefined;
  /** The other end of the socket. Trust in what a proxy says is decided by this address, never by `remoteIp`. */
  readonly peerIp: string;
  /**
   * A proxy has named its client. What the proxy's own address has earned (relaying, the whitelist, a name) does not
   * pass on to clients that come through it.
   */
  takeClient(client: ProxiedClient): void;
  /**
   * What a server in `xforward_hosts` says of the client it had the message from, until the end of the transaction. For the log
   * and for next hops. Nothing may be decided by it: `remoteIp` stays the address of that server.
   */
  readonly forwarded: ForwardedClient | undefined;
  /**
   * A result for the Authentication-Results field, which the host writes after the hook `data_post_headers` (RFC 8601). Added
   * before HELO it stands in every message of the connection; in a hook of HELO or EHLO until the next one; with AUTH until
   * STARTTLS; from MAIL on in the message of that transaction alone. Results of another client or message must not vouch for
   * this one: a plugin that has waited for something looks whether its transaction is still there. A string is taken as it is,
   * and must not hold what a client has sent.
   */
  addAuthenticationResult(result: AuthenticationResult | string): void;
}

/** A client by XFORWARD; undefined is what the server does not know. */
export interface ForwardedClient {
  readonly ip: string | undefined;
  readonly port: number | undefined;
  readonly host: string | undefined;
  readonly helloHost: string | undefined;
  /** `SMTP` or `ESMTP`, as a rule. */
  readonly protocol: string | undefined;
  /** What the server that saw the client calls the message in its log. */
  readonly ident: string | undefined;
  /** Whether the message came over the network or began on that server. */
  readonly source: 'local' | 'remote' | undefined;
}

/** The client behind a proxy. */
export interface ProxiedClient {
  readonly ip: string;
  readonly port: number;
  /** Undefined if the address has no name. */
  readonly host: string | undefined;
}

/** ESMTP parameters of MAIL or RCPT: keywords in lower case, values as sent, `undefined` without `=`. */
export type Parameters = ReadonlyMap<string, string | undefined>;

/** What the parameters of MAIL say about the message. Without parameters: `7bit`, and nothing else. */
export interface MailOptions {
  /** The octets the client expects to send. RFC 1870. */
  readonly size: number | undefined;
  /** How the content is made up; `binarymime` has lines of any length and any octets, CR and LF alone included. RFC 3030. */
  readonly body: '7bit' | '8bitmime' | 'binarymime';
  /** Addresses and header fields may hold UTF-8: the next hop has to offer SMTPUTF8 too. RFC 6531. */
  readonly isUtf8: boolean;
  /** What a report is to quote. RFC 3461 section 4.3. */
  readonly ret: 'full' | 'hdrs' | undefined;
  /** The client's name for the envelope, decoded. RFC 3461 section 4.4. */
  readonly envid: string | undefined;
  /**
   * The user that submitted the message, decoded, `<>` if unknown; only from clients that authenticated. RFC 4954
   * section 5.
   */
  readonly submitter: string | undefined;
  /** The message may only go on by verified TLS to hosts that promise the same. RFC 8689. */
  readonly requireTls: boolean;
}

/** One accepted forward-path. */
export interface Recipient {
  readonly address: Address;
  readonly parameters: Parameters;
  /** The parameters as facts; undefined where there are none. */
  readonly options?: RecipientOptions | undefined;
}

/** What the parameters of RCPT ask for. RFC 3461. */
export interface RecipientOptions {
  /** The events the sender wants to be told; undefined: the default. Section 4.1. */
  readonly notify: readonly NotifyEvent[] | undefined;
  /** Whom the sender wrote to at first, decoded. Section 4.2. */
  readonly originalRecipient: { readonly type: string; readonly address: string } | undefined;
}

export type NotifyEvent = 'never' | 'success' | 'failure' | 'delay';

/** From MAIL to the end of data. RFC 5321 section 3.3. */
export interface Transaction {
  /** As the log names it: the connection's id and a number. Unique over processes and restarts of this host. */
  readonly id: string;
  /** Undefined until MAIL was accepted. */
  readonly reversePath: Address | undefined;
  readonly mailParameters: Parameters;
  /** The parameters of MAIL as facts. */
  readonly mailOptions: MailOptions;
  readonly recipients: readonly Recipient[];
  addRecipient(address: Address): void;
  removeRecipient(address: Address): void;
  /**
   * The client is told of each recipient at the end of data, as in LMTP, and tries again for those who were deferred: their
   * fates may differ. False as soon as plugins have added others, of whom it would know nothing. RFC 2033 section 4.2.
   */
  readonly isAnsweredByRecipient: boolean;
  readonly notes: Notes<'transaction'>;
  /** The content. Throws `Q_NO_MESSAGE` before `data_headers_end`; the body is whole from `data_post_headers` on. */
  readonly message: Message;
}
