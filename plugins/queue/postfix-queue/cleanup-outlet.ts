/**
 * Hands messages to Postfix's cleanup(8), which puts them into its incoming queue.
 *
 * What cleanup(8) says of a message: a sum of bits, and perhaps a reason.
 */

import type {
  ConnectTarget,
  DeliveryReport,
  Log,
  Outlet,
  MailObject,
  Services,
  RecipientOutcome,
} from '../../../bindings/plugin/index.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import { delivered, deferred, forAll, messageIdOf, refused, replyText } from '../kit/outcome.ts';
import { unfitFor } from '../kit/safe-envelope.ts';
import { converse, type CleanupAnswer } from './cleanup-conversation.ts';
import { cleanupMessage } from './cleanup-message.ts';

/**
 * By gravity: where any bit is for now the message is deferred, whatever else is wrong with it. The texts are
 * qpsmtpd's, the status stands after them in the classic style of replies.
 */
const MEANINGS = [
  { bit: 256, isPermanent: false, text: 'service unavailable', status: '4.7.1' },
  { bit: 128, isPermanent: false, text: 'queue file write error', status: '4.3.0' },
  { bit: 1, isPermanent: false, text: 'internal protocol error', status: '4.3.0' },
  { bit: 2, isPermanent: false, text: 'queue file write error', status: '4.3.0' },
  { bit: 64, isPermanent: true, text: 'no recipients specified', status: '5.1.0' },
  { bit: 16, isPermanent: true, text: 'too many hops', status: '5.4.0' },
  { bit: 4, isPermanent: true, text: 'message file too big', status: '5.3.4' },
  { bit: 8, isPermanent: true, text: 'message content rejected', status: '5.7.1' },
  { bit: 512, isPermanent: true, text: 'service denied', status: '5.7.1' },
] as const;

/** `status` is not 0. An unknown one is DECLINED by qpsmtpd, which the plugin makes of a 451. */
export function outcomeOf(hop: string, status: number, reason: string): RecipientOutcome {
  const meaning = MEANINGS.find(({ bit }) => (status & bit) !== 0);
  if (meaning === undefined) {
    return deferred(hop, replyText(reason, `Unable to queue message (${status}, )`));
  }
  const { text, status: usual, isPermanent } = meaning;
  // cleanup's reason may begin with a code and a status, as in `550 5.7.1 Not here`.
  const [, code, own, said] =
    /^(?:([45]\d\d) )?(?:([45]\.\d{1,3}\.\d{1,3}) )?(.*)$/s.exec(reason.trim()) ?? [];
  const kept = own?.[0] === usual[0] ? own : usual;
  const shown = replyText(said ?? '', text);
  return isPermanent
    ? refused(hop, shown, kept, code?.[0] === '5' ? Number(code) : 552)
    : deferred(hop, shown, kept, code?.[0] === '4' && code !== '451' ? Number(code) : 452);
}

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
