/**
 * The clients that are connected: the count of connections per address that `--max-from-ip` is held against, for one process or in
 * a primary for all its workers.
 *
 * The ledger of a worker: asks the primary, which alone knows all connections.
 */

import type { WorkerMessage } from './ipc-messages.ts';

const REFUSED: Admission = { isAdmitted: false, fromIp: 0 };

export class WorkerLedger implements ConnectionLedger {
  readonly #send: (message: WorkerMessage) => void;
  readonly #waiting = new Map<number, (admission: Admission) => void>();
  #lastId = 0;
  #isClosed = false;

  constructor(send: (message: WorkerMessage) => void) {
    this.#send = send;
  }

  admit(ip: string, extra = 0): Promise<Admission> | Admission {
    if (this.#isClosed) return REFUSED;
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ qpsmtpd: 'admit', id, ip, ...(extra > 0 && { extra }) });
    });
  }

  release(ip: string): void {
    if (!this.#isClosed) this.#send({ qpsmtpd: 'release', ip });
  }

  /** The primary's answer to question `id`. */
  answer(id: number, admission: Admission): void {
    this.#waiting.get(id)?.(admission);
    this.#waiting.delete(id);
  }

  /** The primary is gone: who waits, and who comes from now on, is refused. */
  close(): void {
    this.#isClosed = true;
    for (const resolve of this.#waiting.values()) resolve(REFUSED);
    this.#waiting.clear();
  }
}

export interface Admission {
  readonly isAdmitted: boolean;
  /** Connections of the address, this one included if it was admitted. */
  readonly fromIp: number;
}

export interface ConnectionLedger {
  /**
   * Enters a connection of `ip`. One that is admitted is released once; one that is not was never entered. The limit
   * stops one client from taking all the connections of the daemon. `extra` connections beyond it may be admitted where
   * a plugin decides.
   */
  admit(ip: string, extra?: number): Admission | Promise<Admission>;
  release(ip: string): void;
}

/** The ledger of one process. */
export class LocalLedger implements ConnectionLedger {
  readonly #maxFromIp: number;
  readonly #counts = new Map<string, number>();

  /** `maxFromIp` undefined or 0: counts, and refuses no client. */
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

/** The ledger of a primary: one count for all its workers, and which connections each of them holds. */
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
