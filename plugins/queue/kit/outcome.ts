/** Outcomes of a hand-over, which is mostly the same for all recipients. */

import type {
  DeliveryReport,
  HopReply,
  MailObject,
  RecipientOutcome,
} from '../../../bindings/plugin/index.ts';

/** What a reply line may hold besides code and status. RFC 5321 section 4.5.3.1.5. */
const MAX_TEXT = 480;

/** One line that may stand in a reply: what is no printable ASCII becomes a blank. `fallback` if nothing is left. */
export function replyText(text: string, fallback: string): string {
  const clean = text
    .replace(/[^!-~]+/g, ' ')
    .trim()
    .slice(0, MAX_TEXT);
  return clean === '' ? fallback : clean;
}

function outcome(
  kind: RecipientOutcome['kind'],
  hop: string,
  code: number,
  status: string | undefined,
  text: string,
): RecipientOutcome {
  const reply: HopReply = { code, status, lines: [text] };
  return { kind, reply, hop };
}

/** `text` may end in a blank, as some of qpsmtpd's do. */
export const delivered = (hop: string, text: string, status?: string): RecipientOutcome =>
  outcome('delivered', hop, 250, status, text);

export const deferred = (hop: string, text: string, status = '4.3.0', code = 451): RecipientOutcome =>
  outcome('deferred', hop, code, status, text);

export const refused = (hop: string, text: string, status = '5.3.0', code = 554): RecipientOutcome =>
  outcome('refused', hop, code, status, text);

export const forAll = ({ recipients }: MailObject, same: RecipientOutcome): DeliveryReport =>
  recipients.map(() => same);

/** First line of the Message-Id, without what may not stand in a reply; our own id where the message has none. */
export function messageIdOf({ message, id }: MailObject): string {
  const value = message.header.get('Message-Id') ?? '';
  return value.replace(/[^ -~]+/g, '').slice(0, MAX_TEXT - 60) || id;
}
