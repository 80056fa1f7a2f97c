/** Hands messages to Postfix's cleanup(8), which puts them into its incoming queue. */

import type {
  ConnectTarget,
  DeliveryReport,
  Log,
  Outlet,
  MailObject,
  Services,
} from '../../../bindings/plugin/index.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import { delivered, deferred, forAll, messageIdOf } from '../kit/outcome.ts';
import { unfitFor } from '../kit/safe-envelope.ts';
import { converse, type CleanupAnswer } from './cleanup-conversation.ts';
import { cleanupMessage } from './cleanup-message.ts';
import { outcomeOf } from './cleanup-status.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export interface CleanupOptions {
  /** Tried in this order until one takes the message. */
  readonly sockets: readonly ConnectTarget[];
  /** CLEANUP_FLAG_… of Postfix, added up. */
  readonly flags: number;
  /** From the first connection attempt to cleanup's status. */
  readonly timeoutMs: number;
}

type NeededServices = Pick<Services, 'clock' | 'connect'>;

export class CleanupOutlet implements Outlet {
  readonly #options: CleanupOptions;
  readonly #services: NeededServices;
  readonly #log: Log;

  constructor(options: CleanupOptions, services: NeededServices, log: Log) {
    this.#options = options;
    this.#services = services;
    this.#log = log;
  }

  /** The next socket is tried as long as none has been given the message. */
  async deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    const unfit = unfitFor('cleanup', mail);
    if (unfit !== undefined) return unfit;
    return withDeadline(this.#options.timeoutMs, signal, (until) => this.#tryAll(mail, until));
  }

  async #tryAll(mail: MailObject, until: AbortSignal): Promise<DeliveryReport> {
    for (const socket of this.#options.sockets) {
      const hop = nameOf(socket);
      const answer = await this.#handOver(socket, mail, until);
      if (answer.kind === 'failed') {
        this.#log.error(`${mail.id}: ${hop}: ${answer.problem}`);
        if (!answer.isHandedOver) continue;
        return forAll(mail, deferred(hop, 'cleanup did not say what became of the message'));
      }
      const { queueId, status, reason } = answer;
      if (status === 0) {
        const text = `Queued! ${messageIdOf(mail)} (Queue-Id: ${queueId})`;
        // Postfix was told NOTIFY and ORCPT of each recipient.
        return forAll(mail, { ...delivered(hop, text), isReportedByHop: true });
      }
      this.#log.error(
        `${mail.id}: ${hop}: ${queueId}: status ${status}${reason === '' ? '' : `, ${reason}`}`,
      );
      return forAll(mail, outcomeOf(hop, status, reason));
    }
    return forAll(mail, deferred('cleanup', 'Unable to open any cleanup sockets!'));
  }

  async #handOver(to: ConnectTarget, mail: MailObject, signal: AbortSignal): Promise<CleanupAnswer> {
    const socket = await this.#services
      .connect(to, { timeoutMs: CONNECT_TIMEOUT_MS, signal })
      .catch((cause: Error) => cause.message);
    if (typeof socket === 'string') return { kind: 'failed', isHandedOver: false, problem: socket };
    const now = this.#services.clock.now();
    return converse(socket, () => cleanupMessage(mail, this.#options.flags, now), signal);
  }
}

const nameOf = (socket: ConnectTarget): string =>
  'path' in socket ? socket.path : `${socket.host}:${socket.port}`;
