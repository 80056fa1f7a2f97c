/** One transaction: the envelope, and the message once DATA brought it. RFC 5321 section 3.3. */

import type { Address } from '../../bindings/wire/address.ts';
import type {
  MailOptions,
  Parameters,
  Recipient,
  RecipientOptions,
  Transaction,
} from '../../bindings/plugin/connection.ts';
import type { Message } from '../../bindings/plugin/message.ts';
import { Notes } from '../../bindings/plugin/notes.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { octetsOfPath } from '../memory/memory-share.ts';
import type { StoredMessage } from '../message/stored-message.ts';
import { PLAIN_MAIL } from './envelope-parameters.ts';

const NO_PARAMETERS: Parameters = new Map();

export class MailTransaction implements Transaction {
  readonly id: string;
  reversePath: Address | undefined = undefined;
  mailParameters: Parameters = NO_PARAMETERS;
  mailOptions: MailOptions = PLAIN_MAIL;
  readonly recipients: Recipient[] = [];
  /** Those whom the client has named and is told of one by one; undefined where it gets one reply for all. */
  named: Recipient[] | undefined = undefined;
  notes = new Notes<'transaction'>();
  /** Set when the header has arrived. */
  content: StoredMessage | undefined = undefined;
  #pathOctets = 0;

  /** About what the envelope and the notes take up. */
  get octets(): number {
    return this.#pathOctets + this.notes.octets;
  }

  get isAnsweredByRecipient(): boolean {
    if (this.named === undefined) return false;
    const named = new Set(this.named);
    return this.recipients.every((recipient) => named.has(recipient));
  }

  /** MAIL was accepted. */
  begin(reversePath: Address, parameters: Parameters, options: MailOptions): void {
    this.reversePath = reversePath;
    this.mailParameters = parameters;
    this.mailOptions = options;
    this.#pathOctets += octetsOfPath(reversePath, parameters);
  }

  constructor(id: string) {
    this.id = id;
  }

  addRecipient(
    address: Address,
    parameters: Parameters = NO_PARAMETERS,
    options: RecipientOptions | undefined = undefined,
  ): void {
    this.acceptRecipient({ address, parameters, options });
  }

  acceptRecipient(recipient: Recipient): void {
    this.recipients.push(recipient);
    this.#pathOctets += octetsOfPath(recipient.address, recipient.parameters);
  }

  removeRecipient(address: Address): void {
    // Also if it was named twice: the plugin wants no delivery to that address.
    const left: Recipient[] = [];
    for (const recipient of this.recipients) {
      if (!recipient.address.equals(address)) left.push(recipient);
      else this.#pathOctets -= octetsOfPath(recipient.address, recipient.parameters);
    }
    this.recipients.splice(0, this.recipients.length, ...left);
  }

  get message(): Message {
    if (this.content === undefined) {
      throw new QpsmtpdError('Q_NO_MESSAGE', 'there is no message before the hook data_headers_end');
    }
    return this.content;
  }
}
