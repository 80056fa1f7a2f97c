/** An outlet in memory that keeps what it is given, and answers as the test says. */

import type { DeliveryReport, Outlet, MailObject, RecipientOutcome } from '../../../bindings/plugin/index.ts';

export interface Delivered {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly mail: MailObject;
  readonly text: string;
}

export const delivered: RecipientOutcome = {
  kind: 'delivered',
  reply: { code: 250, status: '2.0.0', lines: ['Ok'] },
  hop: 'mx.example',
};
export const refused: RecipientOutcome = {
  kind: 'refused',
  reply: { code: 550, status: '5.1.1', lines: ['no such user'] },
  hop: 'mx.example',
};
export const deferred: RecipientOutcome = {
  kind: 'deferred',
  reply: { code: 451, status: '4.3.2', lines: ['not now'] },
  hop: 'mx.example',
};
export const unreachable: RecipientOutcome = {
  kind: 'deferred',
  reply: { code: 451, status: '4.4.1', lines: ['connection refused'] },
  hop: undefined,
};

type Answer = (mailbox: string, mail: MailObject) => RecipientOutcome;

export class FakeOutlet implements Outlet {
  /** Every mail object that was delivered to somebody, in order. */
  readonly deliveries: Delivered[] = [];
  /** Attempts, whatever became of them. */
  attempts = 0;
  /** The most attempts that were under way at a time. */
  most = 0;
  answer: Answer = () => delivered;
  /** Attempts end when it resolves. */
  gate: Promise<void> = Promise.resolve();
  #active = 0;

  async deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    this.attempts++;
    this.most = Math.max(this.most, ++this.#active);
    try {
      const aborted = new Promise<'aborted'>((resolve) =>
        signal?.addEventListener('abort', () => resolve('aborted')),
      );
      if ((await Promise.race([this.gate, aborted])) === 'aborted')
        return mail.recipients.map(() => unreachable);
      return await this.#take(mail);
    } finally {
      this.#active--;
    }
  }

  async #take(mail: MailObject): Promise<DeliveryReport> {
    const outcomes = mail.recipients.map(({ address }) => this.answer(address.mailbox, mail));
    const to = mail.recipients.filter((_, index) => outcomes[index]!.kind === 'delivered');
    if (to.length === 0) return outcomes;
    let text = '';
    try {
      for await (const block of mail.message.blocks('crlf')) text += block.toString('latin1');
    } catch {
      return mail.recipients.map(() => deferred);
    }
    this.deliveries.push({
      id: mail.id,
      from: mail.reversePath.mailbox,
      to: to.map(({ address }) => address.mailbox),
      mail,
      text,
    });
    return outcomes;
  }
}
