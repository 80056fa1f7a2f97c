/** Hands messages to Postfix's cleanup(8), which puts them into its incoming queue. */

import type { DeliveryReport, Outlet, Parcel } from '../../../bindings/plugin/delivery.ts';
import type { CleanupOptions, CleanupSocket } from '../../../bindings/plugin/hand-over-services.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import { connect } from '../program/connection.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import type { HandOverSystem } from '../program/program-station.ts';
import { delivered, deferred, forAll, messageIdOf } from '../program/outcome.ts';
import { unfitFor } from '../program/safe-envelope.ts';
import { converse, type CleanupAnswer } from './cleanup-conversation.ts';
import { cleanupMessage } from './cleanup-message.ts';
import { outcomeOf } from './cleanup-status.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export class CleanupOutlet implements Outlet {
  readonly #options: CleanupOptions;
  readonly #system: HandOverSystem;
  readonly #log: Log;

  constructor(options: CleanupOptions, system: HandOverSystem, log: Log) {
    this.#options = options;
    this.#system = system;
    this.#log = log;
  }

  /** The next socket is tried as long as none has been given the message. */
  async deliver(parcel: Parcel, signal?: AbortSignal): Promise<DeliveryReport> {
    const unfit = unfitFor('cleanup', parcel);
    if (unfit !== undefined) return unfit;
    return withDeadline(this.#options.timeoutMs, signal, (until) => this.#tryAll(parcel, until));
  }

  async #tryAll(parcel: Parcel, until: AbortSignal): Promise<DeliveryReport> {
    for (const socket of this.#options.sockets) {
      const hop = nameOf(socket);
      const answer = await this.#handOver(socket, parcel, until);
      if (answer.kind === 'failed') {
        this.#log.error(`${parcel.id}: ${hop}: ${answer.problem}`);
        if (!answer.isHandedOver) continue;
        return forAll(parcel, deferred(hop, 'cleanup did not say what became of the message'));
      }
      const { queueId, status, reason } = answer;
      if (status === 0) {
        const text = `Queued! ${messageIdOf(parcel)} (Queue-Id: ${queueId})`;
        // Postfix was told NOTIFY and ORCPT of each recipient.
        return forAll(parcel, { ...delivered(hop, text), isReportedByHop: true });
      }
      this.#log.error(
        `${parcel.id}: ${hop}: ${queueId}: status ${status}${reason === '' ? '' : `, ${reason}`}`,
      );
      return forAll(parcel, outcomeOf(hop, status, reason));
    }
    return forAll(parcel, deferred('cleanup', 'Unable to open any cleanup sockets!'));
  }

  async #handOver(to: CleanupSocket, parcel: Parcel, signal: AbortSignal): Promise<CleanupAnswer> {
    const socket = await connect(to, CONNECT_TIMEOUT_MS, signal);
    if (typeof socket === 'string') return { kind: 'failed', isHandedOver: false, problem: socket };
    const now = this.#system.clock.now();
    return converse(socket, () => cleanupMessage(parcel, this.#options.flags, now), signal);
  }
}

const nameOf = (socket: CleanupSocket): string =>
  'path' in socket ? socket.path : `${socket.host}:${socket.port}`;
