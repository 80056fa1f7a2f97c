/**
 * Notes: what plugins leave for each other. A note is a token that carries its type and its lifetime; another
 * plugin reads it by importing the token, so what is shared shows in the import list.
 */

export type Lifetime = 'connection' | 'transaction';

export interface Note<T, L extends Lifetime = Lifetime> {
  readonly id: string;
  readonly lifetime: L;
  /** Never present: it makes the compiler keep `T`. */
  readonly type?: T;
}

/** A note that lives as long as the client's connection. */
export const connectionNote = <T>(id: string): Note<T, 'connection'> => ({ id, lifetime: 'connection' });

/** A note that vanishes with the transaction: at RSET, MAIL, HELO, EHLO and the end of data. */
export const transactionNote = <T>(id: string): Note<T, 'transaction'> => ({ id, lifetime: 'transaction' });

/** Octets of text and of buffers that the notes of one connection or one transaction may hold, and how many there may be. */
export const MAX_NOTE_OCTETS = 4_194_304;
export const MAX_NOTES = 1_000;
/** What a note costs beside them. */
const NOTE_OCTETS = 192;

/**
 * The notes of one connection or one transaction. Costs nothing until the first note is set. Texts and buffers are
 * counted: a plugin that keeps what a client sends would let the client choose how much memory its connection takes.
 */
export class Notes<L extends Lifetime> {
  #values: Map<string, unknown> | undefined;
  #octets = 0;

  /** About what they take up; of what a note holds only texts and buffers are known. */
  get octets(): number {
    return this.#values === undefined ? 0 : this.#octets + this.#values.size * NOTE_OCTETS;
  }

  get<T>(note: Note<T, L>): T | undefined {
    return this.#values?.get(note.id) as T | undefined;
  }

  /** Throws a RangeError, and leaves everything as it is, where that would be too much. */
  set<T>(note: Note<T, L>, value: T): void {
    const values = (this.#values ??= new Map());
    const octets = this.#octets - octetsOf(values.get(note.id)) + octetsOf(value);
    if (octets > MAX_NOTE_OCTETS)
      throw new RangeError(`note ${note.id}: the notes exceed ${MAX_NOTE_OCTETS} octets`);
    if (values.size >= MAX_NOTES && !values.has(note.id)) {
      throw new RangeError(`note ${note.id}: there are ${MAX_NOTES} notes already`);
    }
    values.set(note.id, value);
    this.#octets = octets;
  }

  delete(note: Note<unknown, L>): void {
    if (this.#values === undefined) return;
    this.#octets -= octetsOf(this.#values.get(note.id));
    this.#values.delete(note.id);
  }
}

/** Of texts and buffers, alone or in a list: what else a value holds is not looked into. */
function octetsOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (!Array.isArray(value)) return 0;
  return value.reduce<number>((sum, each: unknown) => sum + (typeof each === 'string' ? each.length : 8), 0);
}
