/** A report on its way to the sender: a mail object with the null reverse-path. RFC 3464 section 2. */

import { createHash } from 'node:crypto';
import { DataFlag, type Core } from '../../../bindings/core/contract.ts';
import type { MailObject } from '../../../bindings/plugin/delivery.ts';
import { Address } from '../../../bindings/wire/address.ts';
import { StoredMessage } from '../../message/stored-message.ts';
import { PLAIN_MAIL } from '../../session/envelope-parameters.ts';
import type { MessageFile } from '../files/message-file.ts';
import { StoredContent } from '../files/stored-content.ts';
import type { ReportCase } from './report-case.ts';
import { printReport } from './report-message.ts';
import { isAscii } from './status-fields.ts';

/** `file` holds the original. */
export async function reportMail(report: ReportCase, file: MessageFile, core: Core): Promise<MailObject> {
  const original = await StoredContent.of(file, core);
  const { content, isUtf8 } = await printReport(report, {
    header: Buffer.concat(original.header.render('crlf')),
    octets: original.octets,
    whole: async () => {
      const blocks: Buffer[] = [];
      for await (const block of original.blocks('crlf')) blocks.push(block);
      return Buffer.concat(blocks);
    },
  });
  const hasEightBit = !isAscii(content.toString('latin1'));
  const message = new StoredMessage(core, { sizeThreshold: Number.POSITIVE_INFINITY, spool: undefined });
  message.content.append(content);
  void message.complete(hasEightBit ? DataFlag.EightBit : 0, longestLine(content));
  const { reversePath, mailOptions } = report.original;
  return {
    id: report.id,
    reversePath: Address.null,
    recipients: [{ address: reversePath, parameters: new Map() }],
    mailOptions: {
      ...PLAIN_MAIL,
      body: hasEightBit ? '8bitmime' : '7bit',
      isUtf8,
      // What was to travel by verified TLS alone is quoted in the report. RFC 8689 section 5.
      requireTls: mailOptions.requireTls,
    },
    message,
    client: undefined,
  };
}

function longestLine(content: Buffer): number {
  let longest = 0;
  for (let from = 0; from < content.length;) {
    const end = content.indexOf('\r\n', from);
    const to = end < 0 ? content.length : end;
    longest = Math.max(longest, to - from);
    from = to + 2;
  }
  return longest;
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 20;

/**
 * The id of a report, made from what it is about: an attempt that a crash interrupted after its report, and that is
 * made again, finds the report there and does not send a second one.
 */
export function reportId(...about: readonly (string | number)[]): string {
  const digest = createHash('sha256').update(about.join(' ')).digest();
  let id = '';
  for (let digit = 0; digit < LENGTH; digit++) id += DIGITS[digest[digit]! % 62]!;
  return id;
}
