/** The options of plugins that mail reports, and the outlet they name. */

import { z, type OpenedOutlet, type Setup } from '../../bindings/plugin/index.ts';
import type { MailObject } from '../../bindings/plugin/index.ts';
import type { Sent } from './daily-job.ts';
import type { Reporter } from './dmarc-report.ts';

const ADDRESS = /^[^\s<>@"]+@[^\s<>@"]+$/;

/** Where no outlet is named. */
const BY_MX = 'smtp-forward mx';

export const reportOptions = z.object({
  /** Whom people write to about reports: the From field of each. */
  from: z.string().regex(ADDRESS, 'must be a mail address').optional(),
  /** The name of the organisation; blanks as `_`. Undefined: the name of this host. */
  org: z.string().optional(),
  via: z.array(z.string()).optional(),
});

export type ReportOptions = z.output<typeof reportOptions>;

export function reporterOf({ from, org }: Pick<ReportOptions, 'from' | 'org'>, me: string): Reporter {
  return {
    org: org?.replaceAll('_', ' ') ?? me,
    contact: from ?? `postmaster@${me}`,
    host: me,
    generator: 'qpsmtpd',
  };
}

/** The outlet that `via` names, which begins with that word or not. */
export function openReportOutlet({ options, services }: Setup<ReportOptions>): OpenedOutlet {
  const words = options.via ?? [];
  const spec = words[0] === 'via' ? words.slice(1) : words;
  return services.outlets.open(spec.length === 0 ? BY_MX : spec.join(' '));
}

/** Each recipient has a message of its own: one that cannot be had now must not make the others wait, or have it twice. */
export async function deliverAll(
  mails: readonly MailObject[],
  outlet: Pick<OpenedOutlet, 'deliver'>,
  log: Setup<unknown>['log'],
): Promise<Sent> {
  const outcomes = [];
  for (const mail of mails) outcomes.push(...(await outlet.deliver(mail)));
  for (const { kind, reply } of outcomes)
    if (kind === 'refused') log.notice(`a report is refused: ${reply.code} ${reply.lines.join(' ')}`);
  if (outcomes.some(({ kind }) => kind === 'delivered')) return 'sent';
  return outcomes.some(({ kind }) => kind === 'deferred') ? 'later' : 'not wanted';
}
