import { FieldId } from './contract.ts';

/** The header fields that have a number, by their name in small letters. */
export const FIELD_NAMES: ReadonlyMap<string, number> = new Map<string, number>([
  ['return-path', FieldId.ReturnPath],
  ['received', FieldId.Received],
  ['delivered-to', FieldId.DeliveredTo],
  ['from', FieldId.From],
  ['sender', FieldId.Sender],
  ['reply-to', FieldId.ReplyTo],
  ['to', FieldId.To],
  ['cc', FieldId.Cc],
  ['bcc', FieldId.Bcc],
  ['message-id', FieldId.MessageId],
  ['in-reply-to', FieldId.InReplyTo],
  ['references', FieldId.References],
  ['date', FieldId.Date],
  ['subject', FieldId.Subject],
  ['mime-version', FieldId.MimeVersion],
  ['content-type', FieldId.ContentType],
  ['content-transfer-encoding', FieldId.ContentTransferEncoding],
  ['authentication-results', FieldId.AuthenticationResults],
  ['dkim-signature', FieldId.DkimSignature],
  ['list-id', FieldId.ListId],
  ['list-unsubscribe', FieldId.ListUnsubscribe],
  ['auto-submitted', FieldId.AutoSubmitted],
  ['precedence', FieldId.Precedence],
  ['received-spf', FieldId.ReceivedSpf],
  ['arc-seal', FieldId.ArcSeal],
]);

/** The `FieldId` of a name in lower case; `FieldId.Other` for one without a number. */
export const fieldIdOf = (lowerName: string): number => FIELD_NAMES.get(lowerName) ?? FieldId.Other;
