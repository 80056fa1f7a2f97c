/** What the daemon and its plugins ask the DNS. Part of `Services`. */

/** What holds for every answer, also for one that says there is nothing. */
export interface DnsAnswerFacts {
  /**
   * DNSSEC vouches for it: a trusted resolver has set the AD bit (RFC 4035 section 3.2.3), for every alias on the way as
   * well, or for the fact that there is nothing (RFC 7672 section 2.1). False for whatever could not be told.
   */
  readonly isSecure: boolean;
  /**
   * The name after all aliases, in lower case and without the final dot; the name that was asked for if it is no alias, or
   * if nobody tells, as Node's own resolver (`dns_client`).
   */
  readonly canonicalName: string;
}

/** What a question to the DNS brought. Faults of the network are answers, not exceptions: a check has to decide. */
export type DnsAnswer<T> = DnsAnswerFacts &
  (
    | { readonly status: 'found'; readonly records: readonly T[] }
    /** NXDOMAIN. RFC 2308 section 2.1. */
    | { readonly status: 'no such name' }
    /** The name exists and has no record of this type. RFC 2308 section 2.2. */
    | { readonly status: 'no such record' }
    /** Nobody answered in time, or not usefully; `timeout` and `aborted` are reasons. */
    | { readonly status: 'failed'; readonly reason: string }
  );

export interface DnsOptions {
  /**
   * How long the answer is waited for, from the call on; after that it is `failed`, `timeout`. Undefined: as long as
   * `dns_timeout` says, 5,000.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Aborted once no answer is needed any more: it is `failed`, `aborted`, at once. A question nobody waits for is given up.
   */
  readonly signal?: AbortSignal | undefined;
}

export interface MailExchanger {
  /** Empty if the domain takes no mail: RFC 7505. */
  readonly exchange: string;
  readonly preference: number;
}

/** The contents of a TLSA record. RFC 6698 section 2.1. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  /** A copy of its own. */
  readonly data: Buffer;
}

/**
 * Asks the DNS. No method rejects or throws. Answers are shared by all who ask, and frozen; they are kept as long as their TTL
 * says, an hour at most, and a question that others wait for is not asked again. Names are names of the DNS, without Unicode,
 * and are looked up as they are, without the system's search list.
 */
export interface Resolver {
  /** IPv4 addresses. RFC 1035 section 3.4.1. */
  resolve4(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  /** IPv6 addresses. RFC 3596 section 2.1. */
  resolve6(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  /** Names of an IP address; `no such name` for what is none. RFC 1035 section 3.5, RFC 3596 section 2.5. */
  reverse(address: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  /** In the order of the answer. RFC 5321 section 5.1. */
  mx(name: string, options?: DnsOptions): Promise<DnsAnswer<MailExchanger>>;
  /** Each text in one piece, however many strings it was kept in; an octet of it is a character. RFC 1035 section 3.3.14. */
  txt(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  /** `name` begins with port and protocol, as in `_25._tcp.mx.example`. RFC 6698 section 3. */
  tlsa(name: string, options?: DnsOptions): Promise<DnsAnswer<TlsaRecord>>;
  /**
   * What the name is an alias of, without a look at where that leads: `isSecure` speaks of this step alone. RFC 7672 section
   * 2.2.2 needs that; others read `canonicalName`.
   */
  cname(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  /**
   * What is known of the IPv4 addresses without a question; undefined: it has to be asked. Not every resolver has it: Node's own
   * keeps no answers.
   */
  readonly resolve4Now?: ((name: string) => DnsAnswer<string> | undefined) | undefined;
  /**
   * `resolve4` without a promise, for those who ask so much that it counts: fifty lists for each client. The answer is received
   * once, perhaps before the call returns. Not every resolver has it.
   */
  readonly resolve4For?:
    ((name: string, receiver: DnsReceiver<string>, options?: DnsOptions) => void) | undefined;
}

/** Receives the answer to a question. */
export interface DnsReceiver<T> {
  /** What it throws is logged and has no further effect. */
  receive(answer: DnsAnswer<T>): void;
}

/** `services.dns`: asks the servers of the setting `dns_servers`, else those of the system. */
export interface DnsService extends Resolver {
  /**
   * Asks the resolvers of the setting `mx_resolvers`, if there are any. Either way a server's word about DNSSEC is believed
   * where it answers over loopback or stands in `mx_trusted_resolvers`.
   */
  readonly authenticated: Resolver;
}
