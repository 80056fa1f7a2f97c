/** What plugins that ask lists have in common: when they ask, what they log, what a client is told. */

import {
  error,
  fail,
  LogLevel,
  oneOf,
  pass,
  wholeNumber,
  type Address,
  type Clock,
  type Finding,
  type Log,
} from '../../bindings/plugin/index.ts';
import type { ConfiguredLists } from './configured-lists.ts';
import { askLists, mostOf, type ListHit, type ListVerdict } from './list-vote.ts';

/** Above this, the plugin itself would be late: `plugin_timeout`. */
const MAX_SECONDS = 20;
/** A text that does not come is no reason to have the client wait twice as long. */
export const TEXT_TIMEOUT_MS = 3_000;
/** A reply line has 512 octets. RFC 5321 section 4.5.3.1.5. */
const MAX_TEXT = 400;

/** Options of a plugin that asks lists; `seconds` is how long answers are waited for by default. */
export const listOptions = (seconds: number) => ({
  /** Seconds answers are waited for, from the question on. */
  timeout: wholeNumber(1, 3_600).default(seconds),
  /** The score from which a client or a sender counts as listed. */
  threshold: wholeNumber(1, 1_000_000).default(1),
});

export const rejectType = () =>
  oneOf(['perm', 'hard', 'temp', 'soft', 'disconnect', 'temp_disconnect']).default('perm');

/** Those who complain about a listing write to them. RFC 5321 section 4.5.1, RFC 2142 section 2. */
export const isSpecial = ({ localPart }: Address): boolean =>
  /^(?:postmaster|abuse|mailer-daemon|root)$/i.test(localPart);
export const SPECIAL = 'the recipient takes mail from everybody';

export interface Asking {
  readonly timeout: number;
  readonly threshold: number;
}

/** Asks all lists; for use in a task. Never rejects. */
export const begin = (
  lists: ConfiguredLists,
  subject: string,
  { timeout, threshold }: Asking,
  clock: Clock,
  signal: AbortSignal,
): Promise<ListVerdict> =>
  askLists(lists.entries, subject, {
    threshold,
    timeoutMs: Math.min(timeout, MAX_SECONDS) * 1_000,
    signal,
    now: () => clock.now(),
  });

/** A threshold that all lists together do not reach is a slip of the pen: nobody would ever be refused. */
export function warnOfThreshold(lists: ConfiguredLists, { threshold }: Asking, file: string, log: Log): void {
  const { entries } = lists;
  const most = entries.reduce((sum, { lines }) => sum + mostOf(lines), 0);
  if (entries.length > 0 && most < threshold)
    log.warn(`threshold ${threshold} is out of reach: the lists of ${file} add up to ${most}`);
}

/** What is to be said of a subject that is on no list, or that no list knew anything of. */
export function findingWithoutListing({ answered, failed, summary }: ListVerdict, log: Log): Finding {
  if (answered === 0 && failed > 0) return error(`no list has answered: ${summary()}`);
  return pass(log.writes(LogLevel.INFO) ? summary() : '');
}

/** What the weightiest list has to say: the operator's text, else the list's own; `fallback` if there is neither. */
export async function listingText(
  { answer, line, list }: ListHit,
  placeholders: Readonly<Record<string, string>>,
  fallback: (list: string) => string,
): Promise<string> {
  if (line.text !== undefined)
    return line.text.replace(/%([A-Z]+)%/g, (whole, name: string) => placeholders[name] ?? whole);
  const text = printable(await answer.text({ timeoutMs: TEXT_TIMEOUT_MS }), MAX_TEXT);
  return text === '' ? fallback(list.name) : text;
}

/** Whoever keeps the list, or poses as it, must not write lines of the dialogue, of a header or of the log. */
export const printable = (text: string | undefined, maxLength: number): string =>
  (text ?? '')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, maxLength);

export const listed = (text: string, { summary }: ListVerdict): Finding => fail(text, { log: summary() });
