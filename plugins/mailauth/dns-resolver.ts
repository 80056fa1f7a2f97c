/** The DNS as mailauth asks it: a function like `resolve` of Node's `dns.promises`, with its records and its error codes. */

import type { Services } from '../../bindings/plugin/index.ts';

type Dns = Services['dns'];
type TextAnswer = Awaited<ReturnType<Dns['txt']>>;

/** As Node's resolver gives it: a text in its strings. */
type MailauthRecord = string | string[] | { readonly exchange: string; readonly priority: number };

type Answer =
  | Exclude<TextAnswer, { status: 'found' }>
  | { readonly status: 'found'; readonly records: readonly MailauthRecord[] };

/** Of mailauth's own type `DNSResolver`, which knows of texts and addresses alone. */
export type MailauthResolver = (name: string, type: string) => Promise<string[] | string[][]>;

export interface MailauthLookups {
  readonly signal?: AbortSignal | undefined;
  /** How long all questions together may take, from now on. The one that it ends, and those after it, fail with `lateCode`. */
  readonly timeoutMs: number;
  /** Undefined: `ETIMEOUT`. */
  readonly lateCode?: string | undefined;
  /** Told of each question that the DNS did not answer. */
  readonly onFailure?: ((reason: string) => void) | undefined;
}

/** What the DNS did not say, with a code of Node's: `ENOTFOUND`, `ENODATA`, `ETIMEOUT`, `EREFUSED`, `ECANCELLED`, `ESERVFAIL`. */
export class LookupError extends Error {
  override readonly name = 'LookupError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Answers mailauth's questions by `services.dns`. A name that cannot be in the DNS is none: what asks for it may come from anybody. */
export function mailauthResolver(
  { dns, clock }: Pick<Services, 'dns' | 'clock'>,
  { signal, timeoutMs, lateCode = 'ETIMEOUT', onFailure }: MailauthLookups,
): MailauthResolver {
  const endsAt = clock.now() + timeoutMs;
  const fail = (code: string, reason: string): never => {
    onFailure?.(reason);
    throw new LookupError(code, reason);
  };
  return async (name, type) => {
    const leftMs = endsAt - clock.now();
    if (leftMs <= 0) return fail(lateCode, 'timeout');
    if (!isDnsName(name)) throw new LookupError('ENOTFOUND', `${name} is no name of the DNS`);
    const answer = await ask(dns, name, type, { timeoutMs: leftMs, signal });
    // What mailauth declares leaves out MX.
    if (answer.status === 'found') return [...answer.records] as string[];
    if (answer.status === 'no such name') throw new LookupError('ENOTFOUND', `no such name: ${name}`);
    if (answer.status === 'no such record') throw new LookupError('ENODATA', `no ${type} of ${name}`);
    const isLate = answer.reason === 'timeout' && clock.now() >= endsAt;
    return fail(isLate ? lateCode : (CODES[answer.reason] ?? 'ESERVFAIL'), answer.reason);
  };
}

const CODES: Readonly<Record<string, string>> = {
  timeout: 'ETIMEOUT',
  aborted: 'ECANCELLED',
  REFUSED: 'EREFUSED',
};

async function ask(
  dns: Dns,
  name: string,
  type: string,
  options: Parameters<Dns['txt']>[1],
): Promise<Answer> {
  switch (type) {
    case 'A':
      return dns.resolve4(name, options);
    case 'AAAA':
      return dns.resolve6(name, options);
    case 'CNAME':
      return dns.cname(name, options);
    case 'TXT':
      return mapped(await dns.txt(name, options), (text) => [text]);
    case 'MX':
      return mapped(await dns.mx(name, options), ({ exchange, preference }) => ({
        exchange,
        priority: preference,
      }));
    case 'PTR':
      return dns.reverse(addressOf(name) ?? name, options);
    default:
      throw new LookupError('EBADQUERY', `nobody asks for ${type} here`);
  }
}

function mapped<T>(
  answer: Exclude<Answer, { status: 'found' }> | { readonly status: 'found'; readonly records: readonly T[] },
  change: (record: T) => MailauthRecord,
): Answer {
  return answer.status === 'found' ? { status: 'found', records: answer.records.map(change) } : answer;
}

/** RFC 1035 section 2.3.4: labels of 1 to 63 octets, 253 octets in all. Octets are characters. */
function isDnsName(name: string): boolean {
  if (name.length > 253 || /[^\u0000-\u00ff]/.test(name)) return false;
  const text = name.endsWith('.') ? name.slice(0, -1) : name;
  return text.split('.').every((label) => label !== '' && label.length <= 63);
}

/** The address whose PTR records have this name; undefined for another name. RFC 1035 section 3.5, RFC 3596 section 2.5. */
function addressOf(name: string): string | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/i.exec(name);
  if (four !== null) return four.slice(1).reverse().join('.');
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/i.exec(name)?.[1];
  if (six === undefined) return undefined;
  return six
    .replaceAll('.', '')
    .split('')
    .reverse()
    .join('')
    .replace(/....(?!$)/g, '$&:');
}
