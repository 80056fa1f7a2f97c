/**
 * LMTP: the dialogue of SMTP, with LHLO for EHLO, and at the end of a message a reply for each of its recipients. RFC 2033.
 */

import type { Recipient } from '../../bindings/plugin/connection.ts';
import { lmtpVerbs } from './command-reader.ts';
import { Session } from './session.ts';

const NOBODY: readonly Recipient[] = [];

export class LmtpSession extends Session {
  override readonly verbs = lmtpVerbs;
  /** Those for whom the next reply stands. */
  #answering: readonly Recipient[] = NOBODY;

  override acceptRecipient(recipient: Recipient): void {
    super.acceptRecipient(recipient);
    (this.transaction.named ??= []).push(recipient);
  }

  override get answered(): readonly Recipient[] {
    return this.openTransaction?.named ?? NOBODY;
  }

  override beginAnswer(recipients = this.answered): void {
    this.#answering = recipients;
  }

  override takeAnswered(): readonly Recipient[] {
    const recipients = this.#answering;
    this.#answering = NOBODY;
    return recipients;
  }

  /** Another command begins: a plugin has answered for the message itself (DONE). */
  override forgetRefusal(): void {
    super.forgetRefusal();
    this.#answering = NOBODY;
  }

  /**
   * The reply to a message is repeated for each recipient, in the order of RCPT and also for those named twice. RFC 2033
   * section 4.2. One that says that the connection ends answers for everything.
   */
  override reply(text: string): void {
    super.reply(text);
    const { length } = this.takeAnswered();
    if (text.startsWith('421')) return;
    for (let count = 1; count < length; count++) super.reply(text);
  }
}
