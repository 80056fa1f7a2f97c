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

/** The notes of one connection or one transaction. Costs nothing until the first note is set. */
export class Notes<L extends Lifetime> {
  #values: Map<string, unknown> | undefined;

  get<T>(note: Note<T, L>): T | undefined {
    return this.#values?.get(note.id) as T | undefined;
  }

  set<T>(note: Note<T, L>, value: T): void {
    (this.#values ??= new Map()).set(note.id, value);
  }

  delete(note: Note<unknown, L>): void {
    this.#values?.delete(note.id);
  }
}
