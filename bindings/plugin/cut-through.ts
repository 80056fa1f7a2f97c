/**
 * Transactions that go on to a next hop while they happen: nothing is kept, and what the client is told is what the hop
 * said. RFC 5321 section 3.7.
 */

import type { Recipient, Transaction } from './connection.ts';
import type { MailObject } from './delivery.ts';
import type { Address } from '../wire/address.ts';
import type { Verdict } from './verdict.ts';

/** The envelope as it stands, and whose it is. */
export interface CutThroughEnvelope extends Pick<MailObject, 'client' | 'id'> {
  readonly reversePath: Address;
  readonly mailOptions: Transaction['mailOptions'];
  /** Those the hop and our plugins have accepted so far, and those plugins added. */
  readonly recipients: readonly Recipient[];
}

/** Takes octets along as they come. */
export interface ContentSink {
  /** The octets must not change any more. Never throws: what goes wrong is told at the end. */
  write(octets: Buffer): void;
  /** Undefined if more can be taken at once; otherwise resolves when it can. Never rejects. */
  drained(): Promise<void> | undefined;
}

/** The way of one client's transactions to the hop. None of its methods rejects: faults are verdicts. */
export interface CutThroughTransaction extends ContentSink {
  /** Our plugins have accepted `recipient`; the hop decides. OK carries the hop's text. */
  offer(envelope: CutThroughEnvelope, recipient: Recipient): Promise<Verdict>;
  /** The content is about to come. OK: the hop waits for it, with exactly the recipients of the envelope. */
  open(envelope: CutThroughEnvelope): Promise<Verdict>;
  /**
   * The message is whole and no plugin objects: only now the hop is told that it ends. `isEightBit`: octets above 127
   * were among it.
   */
  finish(envelope: CutThroughEnvelope, isEightBit: boolean): Promise<Verdict>;
  /** The transaction is over. Content without its end is lost with the connection, so the hop throws it away. */
  reset(): void;
  /** The client is gone, or has become another one. A message at its end is completed. */
  close(): void;
}

/** What a plugin has in `PluginDefinition.cutThrough`. */
export interface CutThrough {
  /** The way for one client; no connection is made before a recipient is offered. */
  begin(): CutThroughTransaction;
}
