/** The clients that are connected: the count of connections per address that `--max-from-ip` is held against. */

export interface Admission {
  readonly isAdmitted: boolean;
  /** Connections of the address, this one included if it was admitted. */
  readonly fromIp: number;
}

export interface ConnectionLedger {
  /**
   * Enters a connection of `ip`. One that is admitted is released once; one that is not was never entered.
   * The limit stops one client from taking all the connections of the daemon. `extra` connections beyond it may be
   * admitted where a plugin has the last word.
   */
  admit(ip: string, extra?: number): Admission | Promise<Admission>;
  release(ip: string): void;
}

/** The ledger of one process. */
export class LocalLedger implements ConnectionLedger {
  readonly #maxFromIp: number;
  readonly #counts = new Map<string, number>();

  /** `maxFromIp` undefined or 0: counts and refuses nobody. */
  constructor(maxFromIp: number | undefined) {
    this.#maxFromIp = maxFromIp === undefined || maxFromIp === 0 ? Infinity : maxFromIp;
  }

  admit(ip: string, extra = 0): Admission {
    const count = this.#counts.get(ip) ?? 0;
    if (count >= this.#maxFromIp + extra) return { isAdmitted: false, fromIp: count };
    this.#counts.set(ip, count + 1);
    return { isAdmitted: true, fromIp: count + 1 };
  }

  release(ip: string): void {
    const count = this.#counts.get(ip) ?? 0;
    if (count > 1) this.#counts.set(ip, count - 1);
    else this.#counts.delete(ip);
  }

  /** Addresses with at least one connection. */
  get size(): number {
    return this.#counts.size;
  }
}
