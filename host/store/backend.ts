/**
 * What a place for records has to be able to do, and the form of a record in it. Everything else is built on it once, in
 * `record-store.ts`.
 */

import { QpsmtpdError } from '../errors/error-classes.ts';

/** A record as it was found: its text, and a mark by which the back end knows whether it is still the same. */
export interface VersionedText {
  readonly text: string;
  readonly mark: number;
}

export interface Backend {
  read(key: string): Promise<VersionedText | undefined>;
  /**
   * Stores `text`, or deletes the record if it is undefined, provided that the key still holds what was `seen`
   * (undefined: nothing). False if it holds another record by now. No other process sees anything in between.
   */
  swap(
    key: string,
    seen: VersionedText | undefined,
    text: string | undefined,
    expiresInMs: number | undefined,
  ): Promise<boolean>;
  /** The keys that begin with `prefix`, each once, in pieces small enough not to hold up the event loop. */
  keys(prefix: string): AsyncIterable<readonly string[]>;
  /** True if records stay after their time and have to be swept. */
  readonly keepsExpired: boolean;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** A value with its times, in one line of text. */
export interface StoredRecord {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly writtenAt: number;
  /** Milliseconds since the epoch; Infinity for a record that stays. */
  readonly expiresAt: number;
}

export function printRecord({ value, writtenAt, expiresAt }: StoredRecord): string {
  return `${writtenAt} ${expiresAt === Infinity ? '-' : expiresAt} ${value}`;
}

/** Undefined for a text that is no record: another program wrote it. */
export function parseRecord(text: string): StoredRecord | undefined {
  const parts = /^(\d{1,16}) (-|\d{1,16}) (.*)$/s.exec(text);
  if (parts === null) return undefined;
  const [, writtenAt, expiresAt, value = ''] = parts;
  return { value, writtenAt: Number(writtenAt), expiresAt: expiresAt === '-' ? Infinity : Number(expiresAt) };
}

/** The store can't be used, or could not be used in time. */
export class StoreError extends QpsmtpdError {
  constructor(message: string, cause?: unknown) {
    super('Q_STORE', message, { cause });
    this.name = 'StoreError';
  }
}
