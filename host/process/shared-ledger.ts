/** The ledger of a primary: one count for all its workers, and what each worker owes it. */

import { LocalLedger, type Admission } from './connection-ledger.ts';

export class SharedLedger {
  readonly #total: LocalLedger;
  readonly #ofWorker = new Map<number, Map<string, number>>();

  constructor(maxFromIp: number | undefined) {
    this.#total = new LocalLedger(maxFromIp);
  }

  admit(workerId: number, ip: string, extra = 0): Admission {
    const admission = this.#total.admit(ip, extra);
    if (!admission.isAdmitted) return admission;
    const own = this.#ofWorker.get(workerId) ?? new Map<string, number>();
    own.set(ip, (own.get(ip) ?? 0) + 1);
    this.#ofWorker.set(workerId, own);
    return admission;
  }

  /** Ignored for a connection the worker does not hold: it can give back only what is its own. */
  release(workerId: number, ip: string): void {
    const own = this.#ofWorker.get(workerId);
    const count = own?.get(ip);
    if (own === undefined || count === undefined) return;
    if (count > 1) own.set(ip, count - 1);
    else own.delete(ip);
    this.#total.release(ip);
  }

  /** The connections of a dead worker are gone with it. */
  forget(workerId: number): void {
    for (const [ip, count] of this.#ofWorker.get(workerId) ?? []) {
      for (let i = 0; i < count; i++) this.#total.release(ip);
    }
    this.#ofWorker.delete(workerId);
  }

  /** Addresses with at least one connection. */
  get size(): number {
    return this.#total.size;
  }
}
