/** Reports as messages: a sentence for people, and the report itself in gzip. RFC 9990 section 3.5.2, RFC 8460 section 5.3. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Address, strftime, type MailObject, type Services } from '../../bindings/plugin/index.ts';
import { printDay } from './day-counts.ts';
import { rangeOf, reportIdOf, type Reporter } from './reporter.ts';
import { WrittenMessage } from './written-message.ts';

type Field = readonly [name: string, value: string];

/** What messages with reports of one kind have in common. */
export interface ReportForm {
  /** Begins the names of messages, so that a report of another kind about the same day and domain has others. */
  readonly idPrefix: string;
  /** The id of the report, as the subject has it. */
  readonly subjectId: (id: string, reporter: Reporter) => string;
  /** Besides those that every message has. */
  readonly fields: (domain: string, reporter: Reporter) => readonly Field[];
  /** Of the whole, without its boundary: `multipart/mixed`. */
  readonly type: string;
  /** Of the report: `application/gzip`. */
  readonly fileType: string;
  readonly fileEnding: string;
  /** For people, in ASCII; lines end in LF. */
  readonly text: (about: { readonly org: string; readonly domain: string; readonly day: string }) => string;
}

export interface Report {
  readonly day: number;
  readonly domain: string;
  readonly reporter: Reporter;
  readonly content: string;
}

const gzipAsync = promisify<string, Buffer>(gzip);

/** A message for each of those who get the report. */
export async function printReportMails(
  report: Report,
  form: ReportForm,
  to: readonly Address[],
  services: Pick<Services, 'clock' | 'system'>,
): Promise<readonly MailObject[]> {
  // In another thread: packing the report of a busy day takes longer than sessions should wait.
  const packed = await gzipAsync(report.content);
  const base64 = packed.toString('base64').replace(/.{76}/g, '$&\n');
  return to.map((address, index) => mailTo(address, index, report, form, base64, services));
}

/** With the null reverse-path: nobody reads bounces of reports, and they must not come back as mail. RFC 3834 section 3.3. */
function mailTo(
  to: Address,
  index: number,
  { day, domain, reporter }: Report,
  form: ReportForm,
  base64: string,
  { clock, system }: Pick<Services, 'clock' | 'system'>,
): MailObject {
  const { host, org } = reporter;
  const reportId = reportIdOf(day, domain, reporter);
  const id = `${form.idPrefix}${reportId}.${index}`;
  const boundary = `report-${id}`;
  const { begin, end } = rangeOf(day);
  const fileName = `${host}!${domain}!${begin}!${end}.${form.fileEnding}`;
  const fields: readonly Field[] = [
    ['Date', strftime('%a, %d %b %Y %H:%M:%S %z', system.localTime(clock.now()))],
    ['From', reporter.contact],
    ['To', to.toString().slice(1, -1)],
    [
      'Subject',
      `Report Domain: ${domain} Submitter: ${host} Report-ID: <${form.subjectId(reportId, reporter)}>`,
    ],
    ['Message-ID', `<${id}@${host}>`],
    ['Auto-Submitted', 'auto-generated'],
    ...form.fields(domain, reporter),
    ['MIME-Version', '1.0'],
    ['Content-Type', `${form.type};\n boundary="${boundary}"`],
  ];
  const body = [
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    form.text({ org, domain, day: printDay(day) }),
    `--${boundary}`,
    `Content-Type: ${form.fileType};\n name="${fileName}"`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment;\n filename="${fileName}"`,
    '',
    base64,
    `--${boundary}--`,
    '',
  ].join('\n');
  return {
    id,
    reversePath: Address.null,
    recipients: [{ address: to, parameters: new Map() }],
    mailOptions: PLAIN,
    message: new WrittenMessage(fields, body),
    client: undefined,
  };
}

const PLAIN: MailObject['mailOptions'] = {
  size: undefined,
  body: '7bit',
  isUtf8: false,
  ret: undefined,
  envid: undefined,
  submitter: undefined,
  requireTls: false,
};
