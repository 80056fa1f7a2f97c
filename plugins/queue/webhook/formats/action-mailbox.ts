import { pathText, type RequestBody, type Share } from './request-body.ts';

/**
 * The relay ingress of Rails' Action Mailbox: the message itself. Envelope in fields on top, as mail servers hand mail to
 * programs: Action Mailbox routes by X-Original-To too, so that blind copies find their mailbox.
 */
export function actionMailboxBody({ mail, recipients }: Share): RequestBody {
  const fields = [
    `Return-Path: <${pathText({ address: mail.reversePath })}>`,
    ...recipients.map((recipient) => `X-Original-To: ${pathText(recipient)}`),
  ];
  const top = Buffer.from(fields.map((field) => `${field}\r\n`).join(''));
  return {
    contentType: 'message/rfc822',
    async *blocks() {
      yield top;
      yield* mail.message.blocks('crlf');
    },
  };
}
