/** The part of a report that people read. */

import { formatDate } from '../../message/date-stamp.ts';
import type { ReportCase, ReportedRecipient, ReportKind } from './report-case.ts';

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
