/** What plugins may ask of the system and of the network around it. Part of `Services`. */

import type { Files } from './files.ts';
import type { LocalTime } from './strftime.ts';

/** What a question to the DNS brought. Faults of the network are answers, not exceptions: a check has to decide. */
export type DnsAnswer<T> =
  | { readonly status: 'found'; readonly records: readonly T[] }
  /** NXDOMAIN. RFC 2308 section 2.1. */
  | { readonly status: 'no such name' }
  /** The name exists and has no record of this type. RFC 2308 section 2.2. */
  | { readonly status: 'no such record' }
  /** Nobody answered in time, or not usefully. */
  | { readonly status: 'failed'; readonly reason: string };

export interface DnsOptions {
  /** 5,000 if not given. */
  readonly timeoutMs?: number;
}

/** Names are looked up as they are, without the system's search list. */
export interface Dns {
  resolve4(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  resolve6(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  /** Names of an address. */
  reverse(address: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
  mx(name: string, options?: DnsOptions): Promise<DnsAnswer<MailExchanger>>;
  /** Each text in one piece, however many strings it was kept in. */
  txt(name: string, options?: DnsOptions): Promise<DnsAnswer<string>>;
}

export interface MailExchanger {
  readonly exchange: string;
  readonly preference: number;
}

/** Facts about this host and this process. */
export interface System {
  readonly hostName: string;
  /** The number of this process, as log lines begin with it. */
  readonly processId: number;
  /** The number of the user this process runs as, for messages about what that user may not do. */
  readonly userId: number;
  /** Processes that ran or wanted to, on average over the last minute. */
  loadAverage(): number;
  /** The moment `epochMs` in the time zone of the system. */
  localTime(epochMs: number): LocalTime;
  /** A variable of the environment the daemon was started with; empty ones count as set. */
  environment(name: string): string | undefined;
}

export interface SystemServices {
  readonly dns: Dns;
  readonly files: Files;
  readonly system: System;
}
