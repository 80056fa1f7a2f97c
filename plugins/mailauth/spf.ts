/** `check_host()` of SPF, by mailauth, within bounds that mailauth does not set. RFC 7208 section 4. */

import { spf } from 'mailauth/lib/spf/index.js';
import type { MailauthResolver } from './dns-resolver.ts';
import type { SpfOutcome } from './sender-results.ts';

/** RFC 7208 section 4.1. */
export interface SpfQuestion {
  readonly ip: string;
  /** The reverse-path as `local@domain`; undefined: the name in HELO is checked. RFC 7208 sections 2.3 and 2.4. */
  readonly sender: string | undefined;
  readonly helo: string;
  /** The name of this host, for the macro `%{r}`. */
  readonly receiver: string;
  readonly resolver: MailauthResolver;
}

export interface SpfAnswer {
  readonly result: SpfOutcome;
  /** What is wrong with the record, or why it could not be read. May hold text of the record. */
  readonly problem: string | undefined;
  /** What the domain says to those it does not permit: text of a stranger. RFC 7208 section 6.2. */
  readonly explanation: string | undefined;
}

/**
 * Characters of a record, and macros in it. RFC 7208 section 3.4 wants answers of at most 512 octets, and leaves limits to the
 * receiver (section 11.1): a thousand macros, each of which becomes hundreds of characters, would hold up all sessions.
 */
const MAX_RECORD = 4_096;
const MAX_MACROS = 32;

/** Never rejects: a fault of ours is `temperror`. */
export async function checkHost(question: SpfQuestion): Promise<SpfAnswer> {
  const { ip, sender, helo, receiver, resolver } = question;
  try {
    const { status, explanation } = await spf({
      ip,
      helo,
      mta: receiver,
      strict: true,
      resolver: boundedResolver(resolver),
      ...(sender !== undefined && { sender }),
    });
    const { result, comment } = status;
    return {
      result: outcomeOf(result),
      problem: problemOf(comment, sender ?? `postmaster@${helo}`),
      explanation,
    };
  } catch (failure) {
    const problem = failure instanceof Error ? failure.message : String(failure);
    return { result: 'temperror', problem, explanation: undefined };
  }
}

const OUTCOMES: ReadonlySet<string> = new Set<SpfOutcome>([
  'none',
  'neutral',
  'pass',
  'fail',
  'softfail',
  'temperror',
  'permerror',
]);

const outcomeOf = (result: string): SpfOutcome =>
  OUTCOMES.has(result) ? (result as SpfOutcome) : 'temperror';

/** mailauth says what is wrong after this, in a comment meant for Received-SPF. */
function problemOf(comment: string | undefined, sender: string): string | undefined {
  const start = `error in processing during lookup of ${sender}: `;
  const at = comment?.indexOf(start) ?? -1;
  return at < 0 ? undefined : comment!.slice(at + start.length);
}

/** Ends an evaluation as mailauth's own limits do. */
function permanentError(text: string): Error {
  return Object.assign(new Error(text), { spfResult: { error: 'permerror', text } });
}

interface MailExchanger {
  readonly exchange: string;
  readonly priority: number;
}

function boundedResolver(resolver: MailauthResolver): MailauthResolver {
  return async (name, type) => {
    const records = await resolver(name, type);
    if (type === 'TXT') return (records as string[][]).filter((texts) => isOfUse(texts.join('')));
    // RFC 7208 section 5.4: an exchanger that is no name has no address; mailauth takes it for an error of the record.
    if (type === 'MX')
      return (records as unknown as MailExchanger[]).map(plainExchanger) as unknown as string[];
    return records;
  };
}

/** Other texts of a domain may be as long as they like; an explanation may not. */
function isOfUse(text: string): boolean {
  const excess = excessOf(text);
  if (excess === undefined) return true;
  if (/^v=spf1(?: |$)/i.test(text)) throw permanentError(`record of more than ${excess}`);
  return false;
}

function excessOf(text: string): string | undefined {
  if (text.length > MAX_RECORD) return `${MAX_RECORD} characters`;
  return text.split('%{').length > MAX_MACROS + 1 ? `${MAX_MACROS} macros` : undefined;
}

/** A name of at least two labels, as mailauth knows them. */
const HOST = /^(?:[\x20-\x2d\x2f-\x7e]+\.)+[a-z]+[a-z\-0-9]*\.?$/i;

const plainExchanger = (record: MailExchanger): MailExchanger =>
  HOST.test(record.exchange) ? record : { ...record, exchange: '' };
