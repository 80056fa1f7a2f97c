/** Replies as smtp-server words them, with a status of RFC 3463 where ENHANCEDSTATUSCODES is not hidden. */

/** What a reply is about, where its code does not say it well enough; `none`: no status (RFC 2034 section 4). */
export type ReplyTopic =
  | 'none'
  | 'sender accepted'
  | 'recipient accepted'
  | 'message accepted'
  | 'sender syntax'
  | 'recipient syntax'
  | 'too many recipients'
  | 'message too big'
  | 'not allowed';

const OF_TOPIC: Readonly<Record<ReplyTopic, string>> = {
  none: '',
  'sender accepted': '2.1.0',
  'recipient accepted': '2.1.5',
  'message accepted': '2.6.0',
  'sender syntax': '5.1.7',
  'recipient syntax': '5.1.3',
  'too many recipients': '4.5.3',
  'message too big': '5.3.4',
  'not allowed': '5.7.0',
};

const OF_CODE: Readonly<Record<number, string>> = {
  235: '2.7.0',
  251: '2.1.5',
  252: '2.1.5',
  420: '4.4.2',
  421: '4.4.2',
  450: '4.2.1',
  451: '4.3.0',
  452: '4.2.2',
  454: '4.7.0',
  500: '5.5.2',
  501: '5.5.4',
  502: '5.5.1',
  503: '5.5.1',
  504: '5.5.4',
  521: '5.3.2',
  523: '5.3.4',
  530: '5.7.0',
  535: '5.7.8',
  538: '5.7.0',
  550: '5.1.1',
  551: '5.1.6',
  552: '5.2.2',
  553: '5.1.3',
  554: '5.6.0',
  555: '5.5.4',
  556: '5.1.10',
  557: '5.7.1',
  558: '5.2.3',
};

/** Empty for the intermediate replies. */
function statusOf(code: number, topic: ReplyTopic | undefined): string {
  const kind = Math.floor(code / 100);
  if (kind === 3) return '';
  if (topic !== undefined) return OF_TOPIC[topic];
  return OF_CODE[code] ?? `${kind}.0.0`;
}

/** No line of a reply may hold one: it would begin another reply (reply splitting). */
const CONTROL = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f]', 'g');

/** True if `text` holds what has no place in a command, a log or a header field. */
export const hasControls = (text: string): boolean => text.search(CONTROL) >= 0;

/** The reply without its last CRLF, as it stands in the log. */
export function printReply(
  code: number,
  text: string | readonly string[],
  { topic, isEnhanced }: { readonly topic?: ReplyTopic | undefined; readonly isEnhanced: boolean },
): string {
  const lines = typeof text === 'string' ? [text] : text;
  const status = isEnhanced ? statusOf(code, topic) : '';
  const printed = lines.map((line, index) => {
    const isLast = index === lines.length - 1;
    const start = `${code}${isLast ? ' ' : '-'}${status === '' ? '' : `${status} `}`;
    return `${start}${line.replace(CONTROL, ' ')}`;
  });
  // A challenge may be empty, and its blank is part of the syntax (RFC 4954 section 4); others end with their code.
  return text === '' && code !== 334 ? printed[0]!.trimEnd() : printed.join('\r\n');
}
