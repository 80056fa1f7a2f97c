/** What plugins that mail reports have in common: their options, the job that sends once a day, and the outlet it leaves by. */

import {
  z,
  type Address,
  type Log,
  type MailObject,
  type OpenedOutlet,
  type RecipientOutcome,
  type Setup,
  type Store,
} from '../../bindings/plugin/index.ts';
import { withDeadline } from '../../bindings/timing/index.ts';
import { DailyJob, type Sent } from './daily-job.ts';
import { reporterOf, type Reporter } from './reporter.ts';
import { printReportMails, type Report, type ReportForm } from './report-mail.ts';

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

/** What a plugin sends reports with. */
export interface ReportPlugin {
  readonly storeName: string;
  /** The report of one day about one domain, to everybody who wants it; see `DailyJob`. */
  send(day: number, domain: string, means: ReportMeans): Promise<Sent>;
}

export interface ReportMeans {
  readonly store: Store;
  readonly reporter: Reporter;
  /** Each recipient has a message of its own: one that cannot be had now must not make the others wait, or have it twice. */
  readonly mail: (
    report: Omit<Report, 'reporter'>,
    form: ReportForm,
    to: readonly Address[],
  ) => Promise<Sent>;
}

/** The hooks of such a plugin. Only processes that serve send; the store is opened by the first of them. */
export function reportHooks(setup: Setup<ReportOptions>, { storeName, send }: ReportPlugin) {
  const { options, services, config, log, onClose } = setup;
  const reporter = reporterOf(options, config.me);
  const outlet = openOutlet(setup);
  return {
    'post-fork'() {
      const store = services.store.open(storeName);
      const means: ReportMeans = {
        store,
        reporter,
        mail: async (report, form, to) =>
          deliverAll(await printReportMails({ ...report, reporter }, form, to, services), outlet, log),
      };
      const job = new DailyJob({
        store,
        clock: services.clock,
        log,
        host: config.me,
        send: (day, domain) => send(day, domain, means),
      });
      onClose(() => job.stop());
      job.start();
    },
  };
}

/** The outlet that `via` names, which begins with that word or not. */
function openOutlet({ options, services }: Setup<ReportOptions>): OpenedOutlet {
  const words = options.via ?? [];
  const spec = words[0] === 'via' ? words.slice(1) : words;
  return services.outlets.open(spec.length === 0 ? BY_MX : spec.join(' '));
}

/** For one message: those of a report together take less than the hour after which another process takes it on. */
const DELIVERY_MS = 8 * 60_000;

async function deliverAll(
  mails: readonly MailObject[],
  outlet: Pick<OpenedOutlet, 'deliver'>,
  log: Pick<Log, 'notice' | 'warn'>,
): Promise<Sent> {
  const kinds = new Set<RecipientOutcome['kind']>();
  for (const mail of mails) {
    const outcome = await deliverInTime(mail, outlet);
    kinds.add(outcome.kind);
    if (outcome.kind === 'refused') log.notice(`a report is refused: ${textOf(outcome)}`);
    if (outcome.kind === 'deferred') log.warn(`a report is put off: ${textOf(outcome)}`);
  }
  if (kinds.has('delivered')) return 'sent';
  return kinds.has('deferred') ? 'later' : 'not wanted';
}

type Outcome = Pick<RecipientOutcome, 'kind' | 'reply'>;

const textOf = ({ reply: { code, lines } }: Outcome): string => `${code} ${lines.join(' ')}`;

/** Not all outlets heed the signal, and one that waits for ever would keep all reports of the day back. */
function deliverInTime(mail: MailObject, outlet: Pick<OpenedOutlet, 'deliver'>): Promise<Outcome> {
  return withDeadline(DELIVERY_MS, undefined, async (signal) => {
    const late = new Promise<Outcome>((resolve) => {
      const end = (): void => resolve(putOff('the outlet has not answered in time'));
      signal.addEventListener('abort', end, { once: true });
    });
    const delivered = outlet.deliver(mail, signal).then(
      ([outcome]) => outcome ?? putOff('the outlet says nothing'),
      (cause: unknown) => putOff(String(cause)),
    );
    return Promise.race([delivered, late]);
  });
}

const putOff = (line: string): Outcome => ({
  kind: 'deferred',
  reply: { code: 451, status: undefined, lines: [line] },
});
