/** What reads text that clients, DNS servers, hops and domains choose, with the texts that are worst for it. */

import { loadCore } from '../../bindings/core.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { parseMailDate } from '../../bindings/wire/mail-date.ts';
import { withoutRepeats } from '../../bindings/plugin/delivery.ts';
import { decodeBase64 } from '../../bindings/wire/base64.ts';
import { parseClientFinal, parseClientFirst } from '../../bindings/wire/scram-message.ts';
import { announcedId, parseStsPolicy } from '../../plugins/queue/mx/sts-policy.ts';
import { AttributeReader } from '../../plugins/queue/postfix-queue/records.ts';
import { replyText } from '../../plugins/queue/kit/outcome.ts';
import { ownText } from '../../plugins/queue/qmail-queue/qmail-queue-outlet.ts';
import { ReplyReader } from '../../plugins/queue/smtp/reply-reader.ts';
import { stuffedWhole } from '../../bindings/wire/dot-stuffing.ts';
import { encodePart } from '../../host/spool/report/part-encoding.ts';
import { field } from '../../host/spool/report/status-fields.ts';
import { readAnswer } from '../../host/dns/reply-reader.ts';
import { namesAuthority, renameForeignResults } from '../../host/message/authentication-results.ts';
import { cleanValue, readValue } from '../../host/message/field-text.ts';
import { HeaderFields } from '../../host/message/header-fields.ts';
import { logText, masked } from '../../host/observe/log-text.ts';
import { parsePath } from '../../bindings/wire/path.ts';
import { parseLenientPath } from '../../bindings/wire/lenient-path.ts';
import { decodeUnicodeAddress, decodeXtext } from '../../bindings/wire/xtext.ts';
import { splitPathArgument } from '../../host/session/path-input.ts';
import { Address } from '../../bindings/wire/address.ts';

export interface Workload {
  readonly name: string;
  /** The text of about `size` characters. */
  readonly text: (size: number) => string;
  readonly read: (text: string) => unknown;
}

const { core } = loadCore();

const repeated = (unit: string) => (size: number) => unit.repeat(Math.ceil(size / unit.length));
/** Texts that most patterns take longest for: one character over and over, and what they look for at the end missing. */
const UNITS = [
  ' ',
  '\t',
  '.',
  'a.',
  '+',
  '-',
  ':',
  ';',
  '/',
  '@',
  '"',
  '\\',
  '(',
  ',',
  '=',
  '\r\n ',
  '0',
  '\u00fc',
];

const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  canonicalDomain,
  parseMailDate,
  decodeBase64,
  masked,
  logText,
  replyText: (text) => replyText(text, ''),
  parsePath: (text) => parsePath(`<a@${text}x>`),
  parseLenientPath: (text) => parseLenientPath(`<${text}@x>`),
  'splitPathArgument, strict': (text) => splitPathArgument('mail', `FROM:<a@b> ${text}x`, 'strict'),
  'splitPathArgument, lenient': (text) => splitPathArgument('mail', `FROM:<a@b> ${text}x`, 'lenient'),
  'splitPathArgument, parameters': (text) =>
    splitPathArgument('mail', `FROM:<a@b>${' A=1'.repeat(text.length >> 2)}`, 'lenient'),
  decodeXtext,
  decodeUnicodeAddress: (text) => decodeUnicodeAddress(text, true),
  parseClientFirst: (text) => parseClientFirst(`n,,n=${text},r=${text}`),
  parseClientFinal: (text) => parseClientFinal(`c=biws,r=${text},p=${text}`),
  'announcedId, blanks': (text) => announcedId([`v=STSv1;${text}x`]),
  'parseStsPolicy, value': (text) => parseStsPolicy(`version:${text}x`),
  'ownText, text': (text) => ownText(82, new Map([[4, `D${text}x`]])),
  cleanValue,
  readValue: (text) => readValue(Buffer.from(text), 0, Buffer.byteLength(text), true),
  namesAuthority: (text) => namesAuthority(text, 'mx.example'),
  field: (text) => field('X', text),
  encodePart: (text) => encodePart(Buffer.from(text)),
  stuffedWhole: (text) => stuffedWhole([Buffer.from(text.replaceAll('\r', ''))]),
  'header of many fields': (text) => {
    const header = new HeaderFields(
      core,
      Buffer.from(`Authentication-Results: ${text}x\r\nDKIM-Signature: h=${text}\r\n\r\n`),
    );
    return [renameForeignResults(header, 'mx.example'), header.render('lf'), header.names()];
  },
  AttributeReader: (text) => new AttributeReader().take(Buffer.from(text)),
  'dns and readAnswer': (text) => {
    const reply = Buffer.from(`\0\u0001\u0080\0\0\u0001${text}`, 'latin1');
    const count = core.dns(reply);
    return count < 0 ? count : readAnswer(core, reply, count, core.dnsName(0), 'TXT', false);
  },
  ReplyReader: (text) => {
    try {
      return [
        ...new ReplyReader().take(
          Buffer.from(`250 ${text.slice(0, 2_000)}\r\n`.repeat(Math.ceil(text.length / 2_000))),
        ),
      ];
    } catch (cause) {
      return cause;
    }
  },
  withoutRepeats: (text) =>
    withoutRepeats(
      Array.from({ length: text.length >> 6 }, (_, index) => ({
        address: new Address(`u${index}`, 'd.example'),
        parameters: new Map(),
      })),
    ),
};

export const WORKLOADS: readonly Workload[] = Object.entries(READERS).flatMap(([name, read]) =>
  UNITS.map((unit) => ({ name: `${name} of ${JSON.stringify(unit)}`, text: repeated(unit), read })),
);
