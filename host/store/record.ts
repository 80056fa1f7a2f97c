/** How a value is kept in either back end: when it was written, when it expires, and the value, in one line of text. */

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

/** Undefined for a text that is no record: somebody else's, and not to be believed. */
export function parseRecord(text: string): StoredRecord | undefined {
  const parts = /^(\d{1,16}) (-|\d{1,16}) (.*)$/s.exec(text);
  if (parts === null) return undefined;
  const [, writtenAt, expiresAt, value = ''] = parts;
  return { value, writtenAt: Number(writtenAt), expiresAt: expiresAt === '-' ? Infinity : Number(expiresAt) };
}
