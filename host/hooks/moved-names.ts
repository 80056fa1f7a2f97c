/**
 * What plugins found in `qpsmtpd/plugin` and in `services` once and have to look for elsewhere now: a plugin written then is
 * told the place, in place of an error that only says that something is undefined.
 */

import type { Services } from '../../bindings/plugin/index.ts';

const from = (module: string): string => `import it from '${module}'`;
const LISTS = from('qpsmtpd/lists');
const WIRE = from('qpsmtpd/wire');
const SPLIT = from('qpsmtpd/plugins/queue/kit/outlet-split');
const REPORT_WAY = from('qpsmtpd/plugins/queue/kit/report-way');
const KARMA = from('qpsmtpd/plugins/karma/record');
const GREYLISTING = from('qpsmtpd/plugins/greylisting/record');
const POSTFIX_QUEUE = from('qpsmtpd/plugins/queue/postfix-queue');
const OUTLETS = 'open an outlet by its line';
const SMTP_OUTLET = `${OUTLETS}: services.outlets.open('smtp-forward 10.0.0.5 25')`;

/** Exports of `qpsmtpd/plugin` that exist at run time. */
export const MOVED_EXPORTS: ReadonlyMap<string, string> = new Map([
  ['AddressList', LISTS],
  ['addressNumber', LISTS],
  ['addressOctets', LISTS],
  ['addressOfNumber', LISTS],
  ['ClientRanges', LISTS],
  ['compilePattern', LISTS],
  ['isIpAddress', LISTS],
  ['isLoopback', LISTS],
  ['prefixKeys', LISTS],
  ['RouteTable', LISTS],
  ['shareNetwork', LISTS],
  ['canonicalDomain', WIRE],
  ['canonicalEntry', WIRE],
  ['parseMailDate', WIRE],
  ['unicodeDomain', WIRE],
  ['deliverSplit', SPLIT],
  ['namedReportWay', REPORT_WAY],
  ['usualReportWay', 'it is defaultReportWay of qpsmtpd/plugins/queue/kit/report-way now'],
  ['karmaLifeMs', KARMA],
  ['parseKarma', KARMA],
  ['printKarma', KARMA],
  ['GREYLIST_TIMES', GREYLISTING],
  ['greylistLifeMs', GREYLISTING],
  ['judgeSender', GREYLISTING],
  ['geoCountryName', from('qpsmtpd/plugins/ident/geoip')],
  ['postfixQueueFlags', POSTFIX_QUEUE],
  ['postfixQueueSockets', POSTFIX_QUEUE],
  [
    'HostList',
    'it was for greylist_exclude_files alone: AddressList and ClientRanges of qpsmtpd/lists are for other lists',
  ],
  ['compileFingerprintTerms', 'it was for the option p0f of greylisting alone: read the note fingerprint'],
  ['openingAnew', "it was for queue/routes alone: services.outlets.open('routes') delivers by routes"],
  ['ReturnCode', 'make verdicts with ok, deny, decline and the others; RETURN_CODE_NAMES has the names'],
  ['nameOf', 'RETURN_CODE_NAMES has the names'],
  ['HOOK_NAMES', 'it was for the server alone: see docs/reference/hooks.md'],
  ['Notes', 'it was for the server alone: connection.notes and transaction.notes are there'],
  ['commonOptions', 'it was for the server alone: every plugin takes them'],
  ['rejectOptions', 'it was for the server alone: a plugin with `rejects` takes them'],
  ['hopList', SMTP_OUTLET],
  ['hopOptions', SMTP_OUTLET],
  ['hopOptionsOf', SMTP_OUTLET],
  ['hopTalkOptions', SMTP_OUTLET],
  ['hopTalkOptionsOf', SMTP_OUTLET],
  ['PORTIONS', `${OUTLETS}: services.outlets.open('webhook https://...')`],
  ['WEBHOOK_FORMATS', `${OUTLETS}: services.outlets.open('webhook https://...')`],
]);

/** Members of `services`. */
export const MOVED_SERVICES: ReadonlyMap<string, string> = new Map([
  [
    'maildirs',
    `${OUTLETS}: services.outlets.open('maildir /var/mail/in'); services.files makes directories and durable files`,
  ],
  ['hops', SMTP_OUTLET],
  ['mailExchange', `${OUTLETS}: services.outlets.open('smtp-forward mx')`],
  [
    'webOutlets',
    `${OUTLETS}: services.outlets.open('webhook https://...') or services.outlets.open('amqp amqp://... EXCHANGE')`,
  ],
]);

export interface Moved {
  readonly problem: string;
  readonly remedy: string;
}

const NO_EXPORT = /^The requested module '(qpsmtpd\/plugin)' does not provide an export named '([^']+)'$/;

/** Undefined for any other failure of an import. */
export function movedExport(thrown: unknown): Moved | undefined {
  if (!(thrown instanceof SyntaxError)) return undefined;
  const [, module, name = ''] = NO_EXPORT.exec(thrown.message) ?? [];
  const remedy = MOVED_EXPORTS.get(name);
  return remedy === undefined ? undefined : { problem: `${name} is not in ${module} any more`, remedy };
}

/** The same services; to touch one that is gone throws an error with its place. One of a moved name that exists is left alone. */
export function withMovedServices(services: Services): Services {
  const guarded = { ...services };
  for (const [name, remedy] of MOVED_SERVICES) {
    if (name in services) continue;
    Object.defineProperty(guarded, name, {
      get(): never {
        throw new Error(`services.${name} is gone (${remedy})`);
      },
    });
  }
  return guarded;
}
