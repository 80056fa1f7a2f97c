import type { Parcel } from '../../../bindings/plugin/delivery.ts';
import type { StoredEnvelope } from './envelope.ts';
import type { StoredContent } from './stored-content.ts';

/** The parcel of a stored message for those recipients who stand at `indices`. */
export const storedParcel = (
  { id, reversePath, recipients, mailOptions, client }: StoredEnvelope,
  indices: readonly number[],
  message: StoredContent,
): Parcel => ({
  id,
  reversePath,
  recipients: indices.map((index) => recipients[index]!),
  // What the client announced is not what is sent now: fields were added since.
  mailOptions: { ...mailOptions, size: message.octets },
  message,
  client,
  isTrackedByRecipient: true,
});
