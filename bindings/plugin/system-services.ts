/** What plugins may ask of the system and of the network around it. Part of `Services`. */

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

export interface Files {
  /** Text of a regular file in UTF-8; undefined if there is none. Rejects if it can't be read or has more than `maxOctets`. */
  read(path: string, options: { maxOctets: number }): Promise<string | undefined>;
  /**
   * Text of a regular file in UTF-8. Blocks: only for use while a plugin is set up. Throws an Error with path and remedy if
   * there is none, or if it has more than `maxOctets`.
   */
  readNow(path: string, options: { maxOctets: number }): string;
  /**
   * As `readNow`, for passwords and keys: throws as well if others may read or write the file, or if it belongs to another
   * user. Whoever reads it could pose as this host. Besides set-up it may be asked as seldom as a connection is made.
   */
  readSecret(path: string): string;
  /** What to warn of if every user of this host may read or write the private key; undefined if it is closed to others. */
  openKeyWarning(path: string): string | undefined;
  /**
   * Puts the blocks at the end of a file, which is made if it is missing. What one process appends to one path is
   * never mixed. Rejects if that can't be done; the blocks may be there in part then.
   */
  append(path: string, blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void>;
  /** Reads a list that is no configuration file and follows its changes. Only for use while a plugin is set up. */
  keep(path: string): KeptLines;
  /**
   * Reads a MaxMind database into memory; undefined if the file is missing, throws if it is none. Only for use while a
   * plugin is set up.
   */
  openGeoDatabase(path: string): GeoDatabase | undefined;
}

/** The lines of a file, without comments, empty lines and blanks around. */
export interface KeptLines {
  /** As last read; undefined if the file was missing or could not be read. A file that vanishes later leaves its lines. */
  readonly lines: readonly string[] | undefined;
  /** Reads the file again if it has changed; looks at most once a second, and undefined means that was not needed. */
  refresh(): Promise<void> | undefined;
}

/** What a MaxMind database says about an address. */
export interface GeoRecord {
  readonly country?: string | undefined;
  readonly countryName?: string | undefined;
  readonly continent?: string | undefined;
  readonly city?: string | undefined;
  readonly latitude?: number | undefined;
  readonly longitude?: number | undefined;
  readonly asn?: number | undefined;
}

export interface GeoDatabase {
  /** Undefined for an address the database does not have. */
  lookUp(address: string): GeoRecord | undefined;
}

/** Facts about this host and this process. */
export interface System {
  readonly hostName: string;
  /** The number of this process, as log lines begin with it. */
  readonly processId: number;
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
