/** A transaction as a queue plugin has it, over a message given as text. */

import { Address } from '../../bindings/wire/address.ts';
import type { Transaction } from '../../bindings/plugin/connection.ts';
import type { Message } from '../../bindings/plugin/message.ts';
import { Notes } from '../../bindings/plugin/notes.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import { StoredMessage } from '../../host/message/stored-message.ts';
import { core } from '../message/core.ts';

export function messageOf(content: string | Buffer, flags = 0): StoredMessage {
  const message = new StoredMessage(core, { sizeThreshold: Infinity, spool: undefined });
  message.content.append(typeof content === 'string' ? Buffer.from(content) : content);
  message.complete(flags, 0);
  return message;
}

export const address = (mailbox: string): Address => {
  const at = mailbox.lastIndexOf('@');
  return at < 0 ? new Address(mailbox, '') : new Address(mailbox.slice(0, at), mailbox.slice(at + 1));
};

export function transactionOf(
  message: Message,
  recipients: readonly string[],
  sender = 's@c.example',
): Transaction & { readonly reversePath: Address } {
  return {
    id: 'c1.1',
    reversePath: sender === '' ? Address.null : address(sender),
    mailParameters: new Map(),
    mailOptions: PLAIN_MAIL,
    recipients: recipients.map((mailbox) => ({ address: address(mailbox), parameters: new Map() })),
    addRecipient: () => undefined,
    removeRecipient: () => undefined,
    isAnsweredByRecipient: false,
    notes: new Notes(),
    message,
  };
}
