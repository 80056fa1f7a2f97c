/** What a place for records has to be able to do. Everything else is built on it once, in `record-store.ts`. */

/** A record as it was found: its text, and a mark by which the back end knows whether it is still the same. */
export interface Sighting {
  readonly text: string;
  readonly mark: number;
}

export interface Backend {
  read(key: string): Promise<Sighting | undefined>;
  /**
   * Stores `text`, or deletes the record if it is undefined, provided that the key still holds what was `seen`
   * (undefined: nothing). False if somebody came before. No other process sees anything in between.
   */
  swap(
    key: string,
    seen: Sighting | undefined,
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
