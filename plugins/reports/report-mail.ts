/** A report as a message: a sentence for people, and the report itself in gzip. RFC 9990 section 3.5.2, RFC 8460 section 5.3. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Address, strftime, type MailObject, type Services } from '../../bindings/plugin/index.ts';
import { WrittenMessage } from './written-message.ts';

export interface ReportMail {
  readonly from: string;
  readonly to: Address;
  readonly subject: string;
  /** Besides those that every message has. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Of the whole, without its boundary: `multipart/mixed`. */
  readonly type: string;
  /** For people, in ASCII; lines end in LF. */
  readonly text: string;
  readonly report: ReportFile;
  /** Unique for ever: letters, digits, dots and dashes. */
  readonly id: string;
  /** The name of this host. */
  readonly host: string;
}

export interface ReportFile {
  /** By `packReport`: the same for all who get it. */
  readonly packed: string;
  /** `application/gzip`, `application/tlsrpt+gzip`. */
  readonly type: string;
  readonly name: string;
}

const gzipAsync = promisify<string, Buffer>(gzip);

/** In gzip, as base64 in lines. Packed in another thread: that of a busy day takes longer than sessions should wait. */
export const packReport = async (content: string): Promise<string> =>
  (await gzipAsync(content)).toString('base64').replace(/.{76}/g, '$&\n');

/** With the null reverse-path: nobody reads bounces of reports, and they must not come back as mail. RFC 3834 section 3.3. */
export function printReportMail(
  mail: ReportMail,
  { clock, system }: Pick<Services, 'clock' | 'system'>,
): MailObject {
  const boundary = `report-${mail.id}`;
  const fields: (readonly [string, string])[] = [
    ['Date', strftime('%a, %d %b %Y %H:%M:%S %z', system.localTime(clock.now()))],
    ['From', mail.from],
    ['To', mail.to.toString().slice(1, -1)],
    ['Subject', mail.subject],
    ['Message-ID', `<${mail.id}@${mail.host}>`],
    ['Auto-Submitted', 'auto-generated'],
    ...mail.fields,
    ['MIME-Version', '1.0'],
    ['Content-Type', `${mail.type};\n boundary="${boundary}"`],
  ];
  return {
    id: mail.id,
    reversePath: Address.null,
    recipients: [{ address: mail.to, parameters: new Map() }],
    mailOptions: {
      size: undefined,
      body: '7bit',
      isUtf8: false,
      ret: undefined,
      envid: undefined,
      submitter: undefined,
      requireTls: false,
    },
    message: new WrittenMessage(fields, bodyOf(mail, boundary)),
    client: undefined,
  };
}

function bodyOf({ text, report }: ReportMail, boundary: string): string {
  return [
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    text,
    `--${boundary}`,
    `Content-Type: ${report.type};\n name="${report.name}"`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment;\n filename="${report.name}"`,
    '',
    report.packed,
    `--${boundary}--`,
    '',
  ].join('\n');
}
