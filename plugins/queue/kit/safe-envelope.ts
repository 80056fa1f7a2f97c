/** Refuses envelopes that no local mail system is handed. */

import type { DeliveryReport, MailObject } from '../../../bindings/plugin/index.ts';
import { forAll, refused } from './outcome.ts';

const CONTROLS = /[\u0000-\u001f\u007f]/;

/**
 * Undefined if the mail object may be handed over. Refused are addresses with control characters, which end a line of
 * batched SMTP, a record, an address of qmail-queue or a word of a command and so add recipients or commands of the
 * client's own (envelope injection); and messages by BINARYMIME, which none of these systems can keep as they are. RFC
 * 3030 section 3. All recipients are refused, because the client gets one reply.
 */
export function unfitFor(hop: string, mail: MailObject): DeliveryReport | undefined {
  const { reversePath, recipients, mailOptions } = mail;
  if (CONTROLS.test(reversePath.mailbox))
    return forAll(mail, refused(hop, 'the sender address has control characters', '5.1.7', 553));
  if (recipients.some(({ address }) => CONTROLS.test(address.mailbox)))
    return forAll(mail, refused(hop, 'a recipient address has control characters', '5.1.3', 553));
  if (mailOptions.body === 'binarymime')
    return forAll(mail, refused(hop, 'BINARYMIME messages can not be handed over here', '5.6.1'));
  return undefined;
}
