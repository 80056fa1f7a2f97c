/**
 * The route to a next hop while the transaction happens. What the client is told is what the hop said, and the hop is told
 * of the end of the content only after our plugins had their say. RFC 5321 section 3.7.
 */

import type { Recipient } from '../../bindings/plugin/connection.ts';
import type {
  CutThroughTransaction,
  CutThroughEnvelope,
  CutThrough,
} from '../../bindings/plugin/cut-through.ts';
import { clientOf, withoutRepeats } from '../../bindings/plugin/delivery.ts';
import type { Verdict } from '../../bindings/plugin/verdict.ts';
import { Address } from '../../bindings/wire/address.ts';
import type { MessageRoute } from './message-route.ts';
import type { Session } from './session.ts';

export class CutThroughRoute implements MessageRoute {
  readonly decidedBy: string;
  readonly wantsHeader = true;
  readonly #cutThrough: CutThrough;
  /** Begun with the first recipient, and kept for the client's next transactions. */
  #begun: CutThroughTransaction | undefined = undefined;

  /** `plugin` leads to the hop by `cutThrough`. */
  constructor(cutThrough: CutThrough, plugin: string) {
    this.#cutThrough = cutThrough;
    this.decidedBy = plugin;
  }

  offer(session: Session, recipient: Recipient): Promise<Verdict> {
    return this.#transaction.offer(envelopeOf(session), recipient);
  }

  open(session: Session): Promise<Verdict> {
    return this.#transaction.open(wholeEnvelopeOf(session));
  }

  headerReady(): CutThroughTransaction {
    return this.#transaction;
  }

  finish(session: Session): Promise<Verdict> {
    return this.#transaction.finish(wholeEnvelopeOf(session), session.incoming.message.hasEightBit);
  }

  reset(): void {
    this.#begun?.reset();
  }

  close(): void {
    this.#begun?.close();
  }

  get #transaction(): CutThroughTransaction {
    return (this.#begun ??= this.#cutThrough.begin());
  }
}

/** With every recipient, each once. */
function wholeEnvelopeOf(session: Session): CutThroughEnvelope {
  const envelope = envelopeOf(session);
  return { ...envelope, recipients: withoutRepeats(envelope.recipients) };
}

function envelopeOf({ transaction, facts, transactionId }: Session): CutThroughEnvelope {
  const { reversePath, mailOptions, recipients } = transaction;
  return {
    reversePath: reversePath ?? Address.null,
    mailOptions,
    recipients,
    client: clientOf(facts),
    id: transactionId ?? facts.id,
  };
}
