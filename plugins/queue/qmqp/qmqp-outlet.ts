/** Hands messages to servers of the Quick Mail Queueing Protocol, qmail's and Postfix's. */

import type {
  DeliveryReport,
  Log,
  Outlet,
  MailObject,
  RecipientOutcome,
  Services,
} from '../../../bindings/plugin/index.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import { delivered, deferred, forAll, refused, replyText } from '../kit/outcome.ts';
import { unfitFor } from '../kit/safe-envelope.ts';
import { submit } from './qmqp-conversation.ts';

export interface QmqpOptions {
  /** Tried in this order until one has the whole message. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** For each host. */
  readonly connectTimeoutMs: number;
  /** From the first connection attempt to the answer. */
  readonly timeoutMs: number;
}

export class QmqpOutlet implements Outlet {
  readonly #options: QmqpOptions;
  readonly #connect: Services['connect'];
  readonly #log: Log;

  constructor(options: QmqpOptions, connect: Services['connect'], log: Log) {
    this.#options = options;
    this.#connect = connect;
    this.#log = log;
  }

  /** A server queues a message once it has all of it: until then the next host may be tried. */
  async deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    const unfit = unfitFor('qmqp', mail);
    if (unfit !== undefined) return unfit;
    return withDeadline(this.#options.timeoutMs, signal, (until) => this.#tryAll(mail, until));
  }

  async #tryAll(mail: MailObject, until: AbortSignal): Promise<DeliveryReport> {
    const { hosts, connectTimeoutMs } = this.#options;
    for (const { host, port } of hosts) {
      const hop = `${host}:${port}`;
      const socket = await this.#connect(
        { host, port },
        { timeoutMs: connectTimeoutMs, signal: until },
      ).catch((cause: Error) => cause.message);
      const answer =
        typeof socket === 'string'
          ? { isHandedOver: false, problem: socket }
          : await submit(socket, mail, until);
      if (typeof answer === 'string') return forAll(mail, this.#outcome(hop, answer, mail));
      this.#log.error(`${mail.id}: ${hop}: ${answer.problem}`);
      if (answer.isHandedOver)
        return forAll(mail, deferred(hop, 'the next host did not say what became of the message', '4.4.2'));
    }
    return forAll(mail, deferred('qmqp', 'no host takes messages now', '4.4.1'));
  }

  /** `K`, `Z` or `D`, and a text for the sender. */
  #outcome(hop: string, answer: string, { id }: MailObject): RecipientOutcome {
    const text = replyText(answer.slice(1), '');
    if (answer.startsWith('K')) return delivered(hop, text === '' ? 'Queued' : text);
    this.#log.error(`${id}: ${hop}: ${answer}`);
    const [, said = text, status] = /^(.*?)\s*\(#([45]\.\d{1,3}\.\d{1,3})\)$/.exec(text) ?? [];
    if (answer.startsWith('D')) {
      return refused(hop, said === '' ? 'the next host refuses the message' : said, inClass('5', status));
    }
    return deferred(hop, said === '' ? 'the next host defers the message' : said, inClass('4', status));
  }
}

const inClass = (digit: '4' | '5', status: string | undefined): string =>
  status?.[0] === digit ? status : `${digit}.3.0`;
