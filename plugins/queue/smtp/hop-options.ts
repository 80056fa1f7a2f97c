/** Next hops: mail servers that messages are handed on to by SMTP or LMTP. */

import type {
  HopReply,
  Log,
  MailObject,
  Outlet,
  PeerCertificate,
  RecipientOutcome,
  Services,
} from '../../../bindings/plugin/index.ts';

type SecureTls = Parameters<Services['connect']['secure']>[1];

/**
 * How much TLS a hop has to offer. `none`: it is not asked. `opportunistic`: what can be had, without a look at the
 * certificate (RFC 7435). `required`: encrypted, whoever it is. `verified`: encrypted, with a certificate that an authority
 * vouches for and that has one of the names, or that `judge` accepts.
 */
export type TlsLevel = 'none' | 'opportunistic' | 'required' | 'verified';

/** Undefined `names` and `serverName`: the name of the host. */
export interface TlsDemand extends Omit<SecureTls, 'isJudgedByCaller'> {
  readonly level: TlsLevel;
  /** TLS from the first octet, without STARTTLS. RFC 8314 section 3.3. */
  readonly isImplicit?: boolean | undefined;
  /**
   * Judges in place of the usual rules of `verified` (DANE: RFC 7672). Returns why the certificate won't do, or undefined
   * if it will.
   */
  readonly judge?: ((certificate: PeerCertificate) => string | undefined) | undefined;
}

/** Files in PEM, for a demand that does not hold their text itself. */
export interface HopTlsFiles {
  readonly authorities?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** One host that takes the mail. */
export interface HopHost {
  /** Stands in logs and outcomes; what its certificate is to say, unless `tls` says otherwise. */
  readonly name: string;
  /** What is connected to, a name or an IP address; undefined: `name`. */
  readonly address?: string | undefined;
  /** Undefined: 25 for SMTP, 24 for LMTP. */
  readonly port?: number | undefined;
  /** A Unix socket instead of address and port. */
  readonly path?: string | undefined;
  /** Lower ones are tried first, as with MX records. Undefined: 0. */
  readonly preference?: number | undefined;
  /** Share among hosts of the same preference. Undefined: 1. */
  readonly weight?: number | undefined;
  /** Instead of the outlet's. */
  readonly tls?: TlsDemand | undefined;
}

/** How long each answer is waited for, in milliseconds. RFC 5321 section 4.5.3.2. */
export interface HopTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  /** EHLO, HELO, LHLO, STARTTLS with its handshake, each turn of AUTH, RSET, QUIT. */
  readonly helloMs: number;
  readonly mailMs: number;
  readonly rcptMs: number;
  readonly dataMs: number;
  /** For the hop to take the next block of content. */
  readonly blockMs: number;
  /** After the end of the content. */
  readonly endMs: number;
}

/** The extensions a hop offers: keywords in upper case, with what stands after them. RFC 5321 section 4.1.1.1. */
export type HopExtensions = ReadonlyMap<string, string>;

/** A connection to a hop between two transactions, for what has to be said there. */
export interface HopTalk {
  readonly extensions: HopExtensions;
  /** Sends a command line, given without its end, and returns the reply. Rejects if the connection is lost. */
  say(line: string): Promise<HopReply>;
  /** Says EHLO again, as XCLIENT wants it after its reply; `extensions` are new then. Rejects if that is refused. */
  hello(): Promise<void>;
}

/** What of a mail object a hop is told before it. */
export type Introduced = Pick<MailObject, 'client' | 'id'>;

/** How a hop is told which client it is. */
export interface IntroductionOptions {
  /** The header of the PROXY protocol, version 2, in front of everything: the hop has to expect it. */
  readonly proxy?: boolean | undefined;
  /** Postfix's XCLIENT. A hop that does not take it gets no message: it would take our address for the client's. */
  readonly xclient?: boolean | undefined;
  /** Postfix's XFORWARD, for the hop's log. A hop that does not take it gets the message all the same. */
  readonly xforward?: boolean | undefined;
}

/** What a hop is told about the client of a mail object: PROXY, XCLIENT, XFORWARD. */
export interface HopIntroduction {
  /** Mail objects with the same key may share a connection; undefined: the mail object gets one of its own, closed after it. */
  keyOf(mail: Introduced): string | undefined;
  /** Octets that go out in front of everything, TLS included. */
  beforeGreeting?(mail: Introduced): Buffer | undefined;
  /** Once for a connection, when it is ready for MAIL. Throwing gives the connection up: the mail object is deferred. */
  afterHello?(talk: HopTalk, mail: Introduced): Promise<void>;
  /** In front of each MAIL. */
  beforeMail?(talk: HopTalk, mail: Introduced): Promise<void>;
}

/** The hosts for a mail object, or what becomes of all its recipients because there are none. */
export type HopRoute = readonly HopHost[] | RecipientOutcome;

export interface HopOptions {
  /** The hosts, or what finds them for each mail object. Must not reject. */
  readonly hosts: readonly HopHost[] | ((mail: MailObject, signal?: AbortSignal) => Promise<HopRoute>);
  /** Undefined: `smtp`. LMTP (RFC 2033) has an answer for each recipient after the content. */
  readonly protocol?: 'smtp' | 'lmtp' | undefined;
  /** Our name in EHLO. */
  readonly helloName: string;
  /** Undefined: opportunistic; `none` for Unix sockets. */
  readonly tls?: TlsDemand | undefined;
  /** Added to `tls`; hosts with a demand of their own bring their own. */
  readonly tlsFiles?: HopTlsFiles | undefined;
  /** Lines `user NAME`, `password SECRET` or `token TOKEN`, `mechanism NAME`; nobody else may be able to read it. */
  readonly loginFile?: string | undefined;
  /** Says the password even where anybody on the way can hear it. */
  readonly allowsClearLogin?: boolean | undefined;
  readonly timeouts?: Partial<HopTimeouts> | undefined;
  /** From `deliver` to its report, unless the content's end is on its way; undefined: no limit but the others. */
  readonly withinMs?: number | undefined;
  /** Connections at a time to one host. Undefined: 10. */
  readonly connections?: number | undefined;
  /** Messages over one connection. Undefined: 100. */
  readonly messages?: number | undefined;
  /** How long an unused connection is kept; 0: not at all. Undefined: 15,000. */
  readonly idleMs?: number | undefined;
  /** Mail objects that wait for a connection to one host; more are deferred. Undefined: 1,000. */
  readonly waiting?: number | undefined;
  /** 8-bit content for a hop without 8BITMIME. Undefined: `refuse` (RFC 6152 section 3); `send` is what Perl's qpsmtpd does. */
  readonly eightBit?: 'refuse' | 'send' | undefined;
  readonly introduction?: HopIntroduction | undefined;
  readonly log: Log;
}

/** What happened at an outlet's hops since it was opened. */
export interface HopCounters {
  connections: number;
  /** Messages that went over a connection kept from an earlier one. */
  reuses: number;
  deliveries: number;
  failedConnections: number;
  /** Content was on its way whole when the connection was lost: the hop may have it, and gets it again. RFC 1047. */
  uncertain: number;
}

export interface HopOutlet extends Outlet {
  readonly counters: Readonly<HopCounters>;
  /** Open connections. */
  readonly connections: number;
  /** Unused connections end with QUIT, used ones with their message. Later mail objects are deferred. */
  close(): void;
}

/**
 * What the connections of transactions that go on while they happen are made with. `connections` are those over all hosts, one
 * for each client; `withinMs` is how long a host may be looked for, the client's RCPT waiting.
 */
export type CutThroughOptions = Omit<HopOptions, 'hosts' | 'protocol' | 'messages' | 'waiting'> & {
  readonly hosts: readonly HopHost[];
};

const MINUTE_MS = 60_000;

/** The least that RFC 5321 section 4.5.3.2 allows; the times without a section are ours. */
export const DEFAULT_TIMEOUTS: HopTimeouts = Object.freeze({
  connectMs: 30_000,
  /** Section 4.5.3.2.1. */
  greetingMs: 5 * MINUTE_MS,
  helloMs: 5 * MINUTE_MS,
  /** Sections 4.5.3.2.2 and 4.5.3.2.3. */
  mailMs: 5 * MINUTE_MS,
  rcptMs: 5 * MINUTE_MS,
  /** Sections 4.5.3.2.4 to 4.5.3.2.6. */
  dataMs: 2 * MINUTE_MS,
  blockMs: 3 * MINUTE_MS,
  endMs: 10 * MINUTE_MS,
});
