/** The part of a report that programs read: message/delivery-status (RFC 3464), or its sister for UTF-8 (RFC 6533). */

import { formatDate } from '../../message/date-stamp.ts';
import { encodeUnicodeAddress } from '../../../bindings/wire/xtext.ts';
import { MAX_LINE_OCTETS } from './part-encoding.ts';
import type { ReportAction, ReportCase, ReportedRecipient } from './report-case.ts';

const LINE = 76;
/** Replies of a hop may have a hundred lines; more is not worth quoting. */
const MAX_OCTETS = 2_000;

const CLASS: Readonly<Record<ReportAction, string>> = {
  failed: '5.0.0',
  delayed: '4.0.0',
  delivered: '2.0.0',
  relayed: '2.0.0',
};

/** RFC 3463 section 3.5: X.4.7, delivery time expired. */
const EXPIRED = '4.4.7';

export const isAscii = (text: string): boolean => /^[\u0000-\u007f]*$/.test(text);

/** The fields, ending in CRLF. `isGlobal`: addresses may stand in UTF-8. */
export function statusFields(report: ReportCase, isGlobal: boolean): string {
  const { original, host, nowMs, untilMs } = report;
  const { envid } = original.mailOptions;
  const about = [
    field('Reporting-MTA', `dns; ${host}`),
    envid === undefined ? '' : field('Original-Envelope-Id', isGlobal ? envid : asciiOnly(envid)),
    original.client?.helloHost === undefined
      ? ''
      : field('Received-From-MTA', `dns; ${asciiOnly(original.client.helloHost)}`),
    field('Arrival-Date', formatDate(new Date(original.arrivedMs))),
  ];
  const groups = report.recipients.map((recipient) => recipientFields(recipient, nowMs, untilMs, isGlobal));
  return [about.join(''), ...groups].join('\r\n');
}

function recipientFields(
  { recipient, action, reply, hop, isExpired }: ReportedRecipient,
  nowMs: number,
  untilMs: number,
  isGlobal: boolean,
): string {
  const { mailbox } = recipient.address;
  const first = recipient.options?.originalRecipient;
  const original = first && typed(first.type, first.address, isGlobal);
  const parts = [String(reply.code), reply.status, ...reply.lines].filter((part) => part !== undefined);
  return [
    original === undefined ? '' : field('Original-Recipient', original),
    field('Final-Recipient', typed('rfc822', mailbox, isGlobal) ?? `rfc822; ${asciiOnly(mailbox)}`),
    field('Action', action),
    field('Status', isExpired ? EXPIRED : (reply.status ?? CLASS[action])),
    hop === undefined ? '' : field('Remote-MTA', `dns; ${asciiOnly(hop)}`),
    field('Diagnostic-Code', `${hop === undefined ? 'x-qpsmtpd' : 'smtp'}; ${asciiOnly(parts.join(' '))}`),
    field('Last-Attempt-Date', formatDate(new Date(nowMs))),
    action === 'delayed' ? field('Will-Retry-Until', formatDate(new Date(untilMs))) : '',
  ].join('');
}

/**
 * An address with its type; one that is no ASCII has the type utf-8, spelt out where UTF-8 may not stand. Undefined if it
 * does not fit into a line, which has no place to be folded at. RFC 6533 section 3.
 */
function typed(type: string, address: string, isGlobal: boolean): string | undefined {
  if (isAscii(address)) return fitting(`${type}; ${printable(address)}`);
  return fitting(`utf-8; ${isGlobal ? printable(address) : encodeUnicodeAddress(address)}`);
}

/** Leaves room for the name of the field. */
const fitting = (value: string): string | undefined =>
  Buffer.byteLength(value) <= MAX_LINE_OCTETS - 30 ? value : undefined;

/** What others have said must not end a line of ours and begin a field of its own. */
const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, MAX_OCTETS);
const asciiOnly = (text: string): string => printable(text).replace(/[^ -~]/g, '?');

/** A field, folded at blanks so that lines stay short. RFC 5322 section 2.2.3. */
export function field(name: string, value: string): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const part of value.split(' ')) {
    if (line.length + 1 + part.length > LINE && line.includes(' ')) {
      lines.push(line);
      line = '';
    }
    line += ` ${part}`;
  }
  return `${[...lines, line].join('\r\n')}\r\n`;
}
