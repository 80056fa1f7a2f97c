/** What plugins that ask lists have in common: when they ask, what they log, what a client is told. */

import {
  error,
  fail,
  LogLevel,
  oneOf,
  pass,
  skip,
  wholeNumber,
  type Address,
  type Finding,
  type HookContext,
  type Log,
  type Setup,
  type Task,
} from '../../bindings/plugin/index.ts';
import { ConfiguredLists } from './configured-lists.ts';
import { askLists, mostOf, type ListHit, type ListVerdict } from './list-vote.ts';
import type { ListKind } from './self-test.ts';

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

/** Mailboxes that take complaints about a listing. RFC 5321 section 4.5.1, RFC 2142 section 2. */
export const isSpecial = ({ localPart }: Address): boolean =>
  /^(?:postmaster|abuse|mailer-daemon|root)$/i.test(localPart);
export const SPECIAL = 'the recipient takes mail from everybody';

interface Asking {
  readonly timeout: number;
  readonly threshold: number;
}

/** The lists of a plugin, and the one question it has for them in a connection or a transaction. */
export class ListQuestion {
  readonly lists: ConfiguredLists;
  readonly #task: Task<ListVerdict>;

  /** `file` is a name of the configuration, such as `dnsbl_zones`. Throws what is wrong with its lines. */
  constructor(setup: Setup<Asking>, file: string, kind: ListKind, task: Task<ListVerdict>) {
    this.lists = new ConfiguredLists(setup, file, kind);
    this.#task = task;
    this.#warnOfThreshold(setup, file);
  }

  /** Has all lists asked, once; a finding if there are none. */
  begin({ options, services, tasks }: HookContext<Asking>, subject: string): Finding | undefined {
    const { entries } = this.lists;
    if (entries.length === 0) return skip('no zones');
    if (tasks.result(this.#task) !== undefined) return undefined;
    tasks.start(this.#task, (signal) =>
      askLists(entries, subject, {
        threshold: options.threshold,
        timeoutMs: Math.min(options.timeout, MAX_SECONDS) * 1_000,
        signal,
        now: () => services.clock.now(),
      }),
    );
    return undefined;
  }

  /** Undefined if the lists were not asked. Never rejects. */
  verdict({ tasks }: Pick<HookContext, 'tasks'>): Promise<ListVerdict> | undefined {
    return tasks.result(this.#task);
  }

  /** A threshold that all lists together do not reach is a slip of the pen: nobody would ever be refused. */
  #warnOfThreshold({ log, options: { threshold } }: Setup<Asking>, file: string): void {
    const { entries } = this.lists;
    const most = entries.reduce((sum, { lines }) => sum + mostOf(lines), 0);
    if (entries.length > 0 && most < threshold)
      log.warn(`threshold ${threshold} is out of reach: the lists of ${file} add up to ${most}`);
  }
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

/** A list, or an impostor in its place, must not write lines of the dialogue, of a header or of the log. */
export const printable = (text: string | undefined, maxLength: number): string =>
  (text ?? '')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, maxLength);

export const listed = (text: string, { summary }: ListVerdict): Finding => fail(text, { log: summary() });
