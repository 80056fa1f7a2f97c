/**
 * A delivery status notification as a message: multipart/report with three parts. RFC 3462, RFC 6522, RFC 6533. It asks
 * nothing of a hop but what the sender's own address asks for: a report that cannot leave is the end of an acknowledged
 * message that nobody hears of.
 */

import { formatDate } from '../../message/date-stamp.ts';
import { encodePart, hasPlainLines, type EncodedPart } from './part-encoding.ts';
import { isQuotedInFull, type ReportCase, type ReportedRecipient, type ReportKind } from './report-case.ts';
import { field, isAscii, statusFields } from './status-fields.ts';

const SUBJECTS: Readonly<Record<ReportKind, string>> = {
  failure: 'Your message could not be delivered',
  delay: 'Your message has not been delivered yet',
  success: 'Your message has been handed on',
};

export const subjectOf = ({ kind }: ReportCase): string => SUBJECTS[kind];

/** Lines end in CRLF; addresses may be UTF-8. */
export function reportText(report: ReportCase): string {
  const { host, original, recipients } = report;
  const lines = [
    `This is the mail system at ${host}.`,
    '',
    ...explain(report),
    '',
    `Your message arrived here on ${formatDate(new Date(original.arrivedMs))}.`,
    '',
    ...recipients.flatMap(recipientLines),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function explain({ kind, untilMs }: ReportCase): readonly string[] {
  if (kind === 'failure') {
    return [
      'Your message could not be delivered to the recipients below. Nobody will try',
      'again. Its header, or all of it, is attached.',
    ];
  }
  if (kind === 'delay') {
    return [
      'Your message has not been delivered to the recipients below yet. You need not',
      `send it again: it will be tried until ${formatDate(new Date(untilMs))}.`,
    ];
  }
  return [
    'Your message has been delivered, or handed on to a mail system that does not',
    'report by itself, for the recipients below.',
  ];
}

function recipientLines({ recipient, reply, hop, isExpired }: ReportedRecipient): readonly string[] {
  const answer = [String(reply.code), reply.status, ...reply.lines].filter((part) => part !== undefined);
  const said = hop === undefined ? 'the mail system said' : `${shown(hop)} said`;
  return [
    shown(recipient.address.toString()),
    ...(isExpired ? ['    nobody took it in time; the last attempt:'] : []),
    `    ${said}: ${shown(answer.join(' '))}`,
    '',
  ];
}

/** Lines of at most 998 octets, RFC 5322 section 2.1.1; nothing that a terminal would obey. */
const shown = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, 300);

/** Of the original: more of a header is not worth quoting. */
const MAX_HEADER_OCTETS = 65_536;
/** A longer message is returned as its header alone, whatever RET says. */
const MAX_RETURNED_OCTETS = 1_048_576;

/** The original, as far as it is quoted. */
export interface Quotation {
  /** Without the empty line after it. */
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
  const quoted = await quote(report, quotation, isUtf8);
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
    field('Content-Transfer-Encoding', isUtf8 ? '8bit' : '7bit'),
  ];
  const parts = [
    part('text/plain; charset=utf-8', 'Notification', encodePart(Buffer.from(text, 'utf8'))),
    part(
      isUtf8 ? 'message/global-delivery-status' : 'message/delivery-status',
      'Delivery report',
      asItIs(Buffer.from(status, 'utf8'), isUtf8),
    ),
    quoted,
  ];
  const separator = Buffer.from(`\r\n--${boundary}\r\n`, 'latin1');
  const content = Buffer.concat([
    Buffer.from(`${header.join('')}\r\nThis is a report in several parts.\r\n`, 'utf8'),
    ...parts.flatMap((octets) => [separator, octets]),
    Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'),
  ]);
  return { content, isUtf8 };
}

/** An encoding as it stands above a part. `8bit` goes with SMTPUTF8, whose hops take it. RFC 6531 section 3.1. */
type Written = Pick<EncodedPart, 'octets'> & { readonly encoding: EncodedPart['encoding'] | '8bit' };

function part(type: string, description: string, { encoding, octets }: Written): Buffer {
  const header = `Content-Description: ${description}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  return Buffer.concat([Buffer.from(header, 'latin1'), octets]);
}

/** For what must not be encoded (RFC 2046 section 5.2.1), or is in seven bits already (RFC 3464 section 2.1). */
const asItIs = (octets: Buffer, isUtf8: boolean): Written => ({ encoding: isUtf8 ? '8bit' : '7bit', octets });

/**
 * The part with the original. All of it only as it stands, which takes seven bits, or a way that takes eight: a part with
 * a message in it may not be encoded, where one with a header may.
 */
async function quote(report: ReportCase, quotation: Quotation, isUtf8: boolean): Promise<Buffer> {
  const isGlobal = report.original.mailOptions.isUtf8;
  const describe = (type: string, written: Written): Buffer => part(type, 'Your message', written);
  if (isQuotedInFull(report) && quotation.octets <= MAX_RETURNED_OCTETS) {
    const whole = await quotation.whole();
    if (hasPlainLines(whole, isUtf8 ? 0xff : 0x7f))
      return describe(isGlobal ? 'message/global' : 'message/rfc822', asItIs(whole, isUtf8));
  }
  const type = isGlobal ? 'message/global-headers' : 'text/rfc822-headers';
  const header = cutHeader(quotation.header);
  const isFit = isUtf8 && hasPlainLines(header, 0xff);
  return describe(type, isFit ? asItIs(header, true) : encodePart(header));
}

/** Whole lines, all ending in CRLF: the header of a binary message may have others. */
function cutHeader(header: Buffer): Buffer {
  const text = header
    .subarray(0, MAX_HEADER_OCTETS)
    .toString('latin1')
    .replace(/\r\n?|\n/g, '\r\n');
  const isCut = header.length > MAX_HEADER_OCTETS;
  return Buffer.from(isCut ? text.slice(0, text.lastIndexOf('\r\n') + 2) : text, 'latin1');
}
