/** A delivery status notification as a message: multipart/report with three parts. RFC 3462, RFC 6522, RFC 6533. */

import { formatDate } from '../../../message/date-stamp.ts';
import { isQuotedInFull, type ReportCase } from './report-case.ts';
import { reportText, subjectOf } from './report-text.ts';
import { field, isAscii, statusFields } from './status-fields.ts';

/** Of the original: more than this of a header is nobody's reading. */
const MOST_HEADER_OCTETS = 65_536;
/** A longer message is returned as its header alone, whatever RET says. */
const MOST_RETURNED_OCTETS = 1_048_576;

/** The original, as far as it is quoted. */
export interface Quotation {
  /** Without the empty line behind it. */
  readonly header: Buffer;
  readonly octets: number;
  /** Reads the whole message. */
  readonly whole: () => Promise<Buffer>;
}

export interface ReportMessage {
  readonly content: Buffer;
  /** Addresses stand in its header in UTF-8: it needs SMTPUTF8. */
  readonly isUtf8: boolean;
}

export async function printReport(report: ReportCase, quotation: Quotation): Promise<ReportMessage> {
  const { original, id, host } = report;
  const to = original.reversePath.toString();
  const isUtf8 = !isAscii(to);
  const boundary = `qpsmtpd-${id}`;
  const text = reportText(report);
  const status = statusFields(report, isUtf8);
  const isFull = isQuotedInFull(report) && quotation.octets <= MOST_RETURNED_OCTETS;
  const quoted = isFull ? await quotation.whole() : cutHeader(quotation.header);
  const header = [
    field('Date', formatDate(new Date(report.nowMs))),
    field('From', `Mail Delivery System <MAILER-DAEMON@${host}>`),
    field('To', to),
    field('Subject', subjectOf(report)),
    field('Message-ID', `<${id}@${host}>`),
    // RFC 3834 section 5: vacation programs and lists must not answer.
    field('Auto-Submitted', 'auto-replied'),
    field('MIME-Version', '1.0'),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n`,
    field('Content-Transfer-Encoding', '8bit'),
  ];
  const parts = [
    part('text/plain; charset=utf-8', 'Notification', Buffer.from(text, 'utf8')),
    part(
      isUtf8 ? 'message/global-delivery-status' : 'message/delivery-status',
      'Delivery report',
      Buffer.from(status, 'utf8'),
    ),
    part(quotedType(isFull, original.mailOptions.isUtf8), 'Your message', quoted),
  ];
  const separator = Buffer.from(`\r\n--${boundary}\r\n`, 'latin1');
  const content = Buffer.concat([
    Buffer.from(`${header.join('')}\r\nThis is a report in several parts.\r\n`, 'utf8'),
    ...parts.flatMap((octets) => [separator, octets]),
    Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'),
  ]);
  return { content, isUtf8 };
}

function part(type: string, description: string, body: Buffer): Buffer {
  const header = `Content-Description: ${description}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n`;
  return Buffer.concat([Buffer.from(header, 'latin1'), body]);
}

function quotedType(isFull: boolean, isGlobal: boolean): string {
  if (isGlobal) return isFull ? 'message/global' : 'message/global-headers';
  return isFull ? 'message/rfc822' : 'text/rfc822-headers';
}

/** Whole lines, all ending in CRLF: the header of a binary message may have others. */
function cutHeader(header: Buffer): Buffer {
  const text = header
    .subarray(0, MOST_HEADER_OCTETS)
    .toString('latin1')
    .replace(/\r\n?|\n/g, '\r\n');
  const isCut = header.length > MOST_HEADER_OCTETS;
  return Buffer.from(isCut ? text.slice(0, text.lastIndexOf('\r\n') + 2) : text, 'latin1');
}
