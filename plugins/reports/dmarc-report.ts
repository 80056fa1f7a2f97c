/** Aggregate reports of DMARC: a row of one, and the XML. RFC 9990. */

import { canonicalIpAddress } from '../../bindings/lists/index.ts';
import { MAX_DOMAIN } from '../../bindings/wire/index.ts';
import type { DmarcResult, PublishedPolicy } from '../mailauth/sender-results.ts';
import type { DomainDay } from './day-counts.ts';
import { rangeOf, reportIdOf, type Reporter } from './reporter.ts';

/** Messages that have all of this in common are one record. RFC 9990 section 3.1.1.7. */
export type DmarcRow = Pick<
  DmarcResult,
  | 'sourceIp'
  | 'disposition'
  | 'overrides'
  | 'isSpfAligned'
  | 'isDkimAligned'
  | 'headerFrom'
  | 'envelopeFrom'
  | 'spf'
  | 'signatures'
>;

export type DmarcDay = DomainDay<DmarcRow, PublishedPolicy>;

/** Signatures told of one message; the rest says nothing new (RFC 9990 section 3.1.3). */
const MAX_SIGNATURES = 10;
/** Characters of a comment, which may quote what the DNS or the sender has said. */
const MAX_COMMENT = 200;

/** What a report tells of a message; undefined if nobody asked for one, or there is nothing to tell. */
export function rowOf(
  result: DmarcResult,
): { readonly published: PublishedPolicy; readonly row: DmarcRow } | undefined {
  const { published, headerFrom, isReportable } = result;
  if (!isReportable || published === undefined || headerFrom === undefined || published.rua.length === 0)
    return undefined;
  // What could not be told is no result to report.
  if (result.result === 'temperror' || result.result === 'permerror') return undefined;
  return {
    published,
    row: {
      sourceIp: canonicalIpAddress(result.sourceIp) ?? result.sourceIp,
      disposition: result.disposition,
      overrides: result.overrides.map(({ type, comment }) => ({ type, comment: shortened(comment) })),
      isSpfAligned: result.isSpfAligned,
      isDkimAligned: result.isDkimAligned,
      headerFrom,
      envelopeFrom: result.envelopeFrom,
      spf: result.spf,
      signatures: result.signatures
        .filter(isNamed)
        .slice(0, MAX_SIGNATURES)
        .map((each) => ({ ...each, comment: each.comment && shortened(each.comment) })),
    },
  };
}

/** Keys of signatures have names that fit into the DNS; anything else is text without end. */
const isNamed = ({ domain, selector }: DmarcRow['signatures'][number]): boolean =>
  domain.length + selector.length <= MAX_DOMAIN;

const shortened = (comment: string): string => comment.slice(0, MAX_COMMENT);

/** The report of a day about one policy domain. */
export function printDmarcReport(day: number, { domain, about, rows }: DmarcDay, reporter: Reporter): string {
  const { begin, end } = rangeOf(day);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">',
    '  <version>1.0</version>',
    '  <report_metadata>',
    ...elements(4, [
      ['org_name', reporter.org],
      ['email', reporter.contact],
      ['report_id', reportIdOf(day, domain, reporter)],
    ]),
    `    <date_range><begin>${begin}</begin><end>${end}</end></date_range>`,
    ...elements(4, [['generator', reporter.generator]]),
    '  </report_metadata>',
    '  <policy_published>',
    ...elements(4, [
      ['domain', domain],
      ['discovery_method', 'treewalk'],
      ['p', about.p],
      ['sp', about.sp],
      ['np', about.np],
      ['fo', about.fo],
      ['adkim', about.adkim],
      ['aspf', about.aspf],
      ['testing', about.isTested ? 'y' : 'n'],
    ]),
    '  </policy_published>',
    ...rows.flatMap(({ row, count }) => recordOf(row, count)),
    '</feedback>',
    '',
  ].join('\n');
}

function recordOf(row: DmarcRow, count: number): readonly string[] {
  return [
    '  <record>',
    '    <row>',
    ...elements(6, [
      ['source_ip', row.sourceIp],
      ['count', String(count)],
    ]),
    '      <policy_evaluated>',
    ...elements(8, [
      ['disposition', row.disposition],
      ['dkim', passOrFail(row.isDkimAligned)],
      ['spf', passOrFail(row.isSpfAligned)],
    ]),
    ...row.overrides.flatMap(({ type, comment }) =>
      inside(8, 'reason', [
        ['type', type],
        ['comment', comment],
      ]),
    ),
    '      </policy_evaluated>',
    '    </row>',
    ...inside(4, 'identifiers', [
      ['header_from', row.headerFrom],
      ['envelope_from', row.envelopeFrom],
    ]),
    '    <auth_results>',
    ...row.signatures.flatMap(({ domain, selector, result, comment }) =>
      inside(6, 'dkim', [
        ['domain', domain],
        ['selector', selector],
        ['result', result],
        ['human_result', comment],
      ]),
    ),
    ...(row.spf === undefined
      ? []
      : inside(6, 'spf', [
          ['domain', row.spf.domain],
          // The only scope there is in reports; what HELO stood in for has none.
          ['scope', row.spf.scope === 'mfrom' ? 'mfrom' : undefined],
          ['result', row.spf.result],
        ])),
    '    </auth_results>',
    '  </record>',
  ];
}

const passOrFail = (isAligned: boolean): string => (isAligned ? 'pass' : 'fail');

type Elements = readonly (readonly [name: string, value: string | undefined])[];

/** Undefined values have no element; empty ones have an empty element. */
function elements(indent: number, values: Elements): readonly string[] {
  return values.flatMap(([name, value]) =>
    value === undefined ? [] : [`${' '.repeat(indent)}<${name}>${text(value)}</${name}>`],
  );
}

const inside = (indent: number, name: string, values: Elements): readonly string[] => [
  `${' '.repeat(indent)}<${name}>`,
  ...elements(indent + 2, values),
  `${' '.repeat(indent)}</${name}>`,
];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** Names and comments come from anybody: no markup, and none of the characters that XML does not have. */
function text(value: string): string {
  return value
    .replace(/[\ud800-\udfff]/gu, '?')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '?')
    .replace(/[&<>]/g, (character) => ENTITIES[character]!);
}
