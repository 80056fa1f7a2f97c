import type { MailObject } from '../../../bindings/plugin/delivery.ts';
import type { StoredEnvelope } from './envelope.ts';
import type { StoredContent } from './stored-content.ts';

/** The mail object of a stored message for those recipients who stand at `indices`. */
export const storedMail = (
  { id, reversePath, recipients, mailOptions, client }: StoredEnvelope,
  indices: readonly number[],
  message: StoredContent,
): MailObject => ({
  id,
  reversePath,
  recipients: indices.map((index) => recipients[index]!),
  // What the client announced is not what is sent now: fields were added since.
  mailOptions: { ...mailOptions, size: message.octets },
  message,
  client,
  isTrackedByRecipient: true,
});
