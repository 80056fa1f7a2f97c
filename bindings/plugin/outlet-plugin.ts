/**
 * Plugins around an outlet. One definition serves two uses: the line `queue/NAME OPTIONS` in `config/plugins`, and `NAME
 * OPTIONS` wherever an outlet may be named (`config/routes`, `queue/quarantine`, `Services.outlets`).
 *
 *     export default defineOutlet({
 *       name: 'queue/example',
 *       about: 'Delivers to the example service.',
 *       options: z.object({ host: z.string() }),
 *       positional: ['host'],
 *       outlet: ({ options, services, log }) => services.example.open(options.host, log),
 *     });
 *
 * The queue hook hands the mail object over, logs the report (so the outlet logs only what the report does not hold) and makes
 * the verdict. Throw while the outlet is made for what an operator has to mend: that stops the start.
 */

import type { z } from 'zod';
import type { HookContext, Setup } from './context.ts';
import type { OptionShape, PluginDefinition } from './definition.ts';
import {
  mailObjectOf,
  verdictOf,
  type DeliveryReport,
  type MailObject,
  type Outlet,
  type RecipientOutcome,
} from './delivery.ts';
import type { Hook, Hooks } from './hooks.ts';
import { LogLevel, type Log } from './log-level.ts';
import { ReturnCode, type Verdict } from './verdict.ts';

export interface OutletDefinition<S extends OptionShape> extends Omit<
  PluginDefinition<S>,
  'hooks' | 'outlet'
> {
  /** Makes the outlet once the options are known; called once for each line that names it. */
  readonly outlet: (setup: Setup<z.output<S>>) => Outlet;
  /** The verdict of the queue hook, where it differs from `verdictOf`: qpsmtpd's plugins decline where others put off. */
  readonly verdict?: (report: DeliveryReport, context: HookContext) => Verdict;
  /** Hooks besides `queue`. They are asked only where the plugin has a line of its own. */
  readonly hooks?: (setup: Setup<z.output<S>>, outlet: Outlet) => Hooks<z.output<S>>;
}

/** Declares a plugin that delivers; make it the default export of its file. */
export function defineOutlet<S extends OptionShape = z.ZodObject<Record<never, never>>>(
  definition: OutletDefinition<S>,
): PluginDefinition<S> {
  const { outlet: open, verdict = verdictOf, hooks } = definition;
  return {
    ...definition,
    hooks: (setup) => {
      const outlet = open(setup);
      return { ...hooks?.(setup, outlet), queue: queueInto(outlet, verdict) };
    },
  };
}

/** The queue hook of an outlet. */
export function queueInto(
  outlet: Outlet,
  verdict: (report: DeliveryReport, context: HookContext) => Verdict = verdictOf,
): Hook<unknown, 'queue'> {
  return (context) => {
    const mail = mailObjectOf(context);
    if (context.transaction.isAnsweredByRecipient) return queueEach(outlet, mail, verdict, context);
    return outlet.deliver(mail).then((report) => {
      logReport(report, context.log);
      return namingHop(verdict(report, context), report);
    });
  };
}

/** The client tries again for those who were left out, so the others may have the message. RFC 2033 section 4.2. */
async function queueEach(
  outlet: Outlet,
  mail: MailObject,
  verdict: (report: DeliveryReport, context: HookContext) => Verdict,
  context: HookContext,
): Promise<Verdict> {
  const report = await outlet.deliver({ ...mail, isTrackedByRecipient: true });
  logReport(report, context.log);
  const whole = namingHop(verdict(report, context), report);
  // The next queue plugin is asked about all of them.
  if (whole.code === ReturnCode.DECLINED) return whole;
  const byMailbox = new Map(
    mail.recipients.map(({ address }, index) => [
      address.canonicalMailbox,
      verdict(report.slice(index, index + 1), context),
    ]),
  );
  return { ...whole, byMailbox };
}

/** Hops that one line of the log names. */
const MAX_HOPS = 4;

/** The hops that have answered, so that the log can name them. */
function namingHop(verdict: Verdict, report: DeliveryReport): Verdict {
  const hops = new Set(report.map(({ hop }) => hop).filter((hop) => hop !== undefined));
  return hops.size === 0 ? verdict : { ...verdict, hop: [...hops].slice(0, MAX_HOPS).join(',') };
}

/** One line for each answer that recipients got, such as `delivered 2 of 3 recipients: mx.example: 250 2.0.0 Ok`. */
export function logReport(report: DeliveryReport, log: Pick<Log, 'info' | 'warn' | 'writes'>): void {
  if (!log.writes(LogLevel.INFO) && report.every(({ kind }) => kind === 'delivered')) return;
  const counts = new Map<string, { outcome: RecipientOutcome; count: number }>();
  for (const outcome of report) {
    const key = describe(outcome);
    const entry = counts.get(key);
    if (entry === undefined) counts.set(key, { outcome, count: 1 });
    else entry.count++;
  }
  for (const [text, { outcome, count }] of counts) {
    const line = `${outcome.kind} ${count} of ${report.length} recipients: ${text}`;
    if (outcome.kind === 'delivered') log.info(line);
    else log.warn(line);
  }
}

function describe({ hop, reply }: RecipientOutcome): string {
  const answer = [reply.code, reply.status, ...reply.lines].filter((part) => part !== undefined).join(' ');
  return hop === undefined ? answer : `${hop}: ${answer}`;
}
