/** A line of fields, `transaction id=… client=…`, and the same as a record for logs that have fields of their own. */

import type { LogRecord } from '../../bindings/plugin/hooks.ts';
import { MAX_TEXT } from './log-text.ts';

/** In the order of the line; those that are undefined are left out. */
export type SummaryFields = Readonly<Record<string, string | number | undefined>>;

/** Characters of one value: a client may send a name as long as its line. */
const MAX_VALUE = 320;
/** Room for the field that says how many recipients the line does not name. */
const ROOM_FOR_REST = 20;

/** `recipients` are named one by one as long as the line has room, and counted in `more` from there on. */
export function summaryEvent(
  name: string,
  fields: SummaryFields,
  recipients: Iterable<string> = [],
): { readonly text: string; readonly event: LogRecord } {
  const event: Record<string, string | number | readonly string[]> = { name };
  let text = name;
  for (const [field, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const kept = typeof value === 'string' ? value.slice(0, MAX_VALUE) : value;
    event[field] = kept;
    text += ` ${field}=${typeof kept === 'string' ? quoted(kept) : kept}`;
  }
  const named: string[] = [];
  let more = 0;
  for (const recipient of recipients) {
    const piece = ` to=${quoted(recipient.slice(0, MAX_VALUE))}`;
    if (more > 0 || text.length + piece.length > MAX_TEXT - ROOM_FOR_REST) {
      more++;
      continue;
    }
    named.push(recipient.slice(0, MAX_VALUE));
    text += piece;
  }
  if (named.length > 0) event['to'] = named;
  if (more === 0) return { text, event };
  return { text: `${text} more=${more}`, event: { ...event, more } };
}

/** In quotes where it has a blank or a quote in it: a client must not be able to write fields of its own. */
const quoted = (value: string): string =>
  /^[^\s"\\=\u0000-\u001f\u007f-\u009f]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
