/** Reports of TLS as JSON. RFC 8460 section 4. */

import { printDay, type DomainDay } from './day-counts.ts';
import { reportIdOf, type Reporter } from './reporter.ts';
import type { TlsRow } from './tls-counts.ts';

export type TlsDay = DomainDay<TlsRow, null>;

/** `sts` is the text of the domain's MTA-STS policy, where it is known. */
export function printTlsReport(
  day: number,
  { domain, rows }: TlsDay,
  reporter: Reporter,
  sts: string | undefined,
): string {
  const types = [...new Set(rows.map(({ row }) => row.policyType))];
  return `${JSON.stringify(
    {
      'organization-name': reporter.org,
      'date-range': {
        'start-datetime': `${printDay(day)}T00:00:00Z`,
        'end-datetime': `${printDay(day)}T23:59:59Z`,
      },
      'contact-info': reporter.contact,
      'report-id': reportIdOf(day, domain, reporter),
      policies: types.map((type) => policyOf(type, domain, rows, sts)),
    },
    undefined,
    2,
  )}\n`;
}

function policyOf(type: string, domain: string, all: TlsDay['rows'], sts: string | undefined): object {
  const rows = all.filter(({ row }) => row.policyType === type);
  const failures = rows.filter(({ row }) => row.result !== 'success');
  const text = type === 'sts' ? linesOf(sts) : type === 'tlsa' ? recordsOf(rows) : undefined;
  const hosts = type === 'sts' ? linesOf(sts)?.flatMap(patternOf) : undefined;
  return {
    policy: {
      'policy-type': type,
      ...(text === undefined ? {} : { 'policy-string': text }),
      'policy-domain': domain,
      ...(hosts === undefined ? {} : { 'mx-host': hosts }),
    },
    summary: {
      'total-successful-session-count': sum(rows) - sum(failures),
      'total-failure-session-count': sum(failures),
    },
    ...(failures.length === 0
      ? {}
      : {
          'failure-details': failures.map(({ row, count }) => ({
            'result-type': row.result,
            ...(row.mx === undefined ? {} : { 'receiving-mx-hostname': row.mx }),
            'failed-session-count': count,
          })),
        }),
  };
}

const sum = (rows: TlsDay['rows']): number => rows.reduce((total, { count }) => total + count, 0);

const recordsOf = (rows: TlsDay['rows']): readonly string[] => [
  ...new Set(rows.flatMap(({ row }) => row.policy ?? [])),
];

const linesOf = (sts: string | undefined): readonly string[] | undefined =>
  sts?.split(/\r?\n/).filter((line) => line !== '');

const patternOf = (line: string): readonly string[] => /^mx\s*:\s*(\S+)/.exec(line)?.slice(1) ?? [];
