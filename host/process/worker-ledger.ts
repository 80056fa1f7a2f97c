/** The ledger of a worker: asks the primary, which alone knows all connections. */

import type { Admission, ConnectionLedger } from './connection-ledger.ts';
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
