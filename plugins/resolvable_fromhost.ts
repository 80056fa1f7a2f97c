import { ClientRanges, isAddressLiteral, isIpAddress } from '../bindings/lists/index.ts';
import {
  definePlugin,
  fail,
  oneOf,
  pass,
  skip,
  transactionNote,
  transactionTask,
  wholeNumber,
  z,
  type Address,
  type Answer,
  type CompiledList,
  type Finding,
  type HookContext,
  type Resolver,
} from '../bindings/plugin/index.ts';
import { isHostName } from '../bindings/wire/domain-name.ts';
import { MAX_DNS_SECONDS, taskResult } from './reverse-dns/reverse-check.ts';

/** What became of the check: `a`, `mx`, `ip`, `null`, or what is wrong with the domain. */
export const resolvableFromhost = transactionNote<string>('resolvable_fromhost');
/** The domain that was looked at, as the client wrote it. */
export const resolvableFromhostHost = transactionNote<string>('resolvable_fromhost_host');

/**
 * Mail hosts that are looked at. A domain may name hundreds, each of which would be two questions more; RFC 7208 section 4.6.4
 * has the same bound.
 */
const MAX_EXCHANGES = 10;

const options = z.object({
  /** Seconds a question to the DNS may take; there are two rounds of them. */
  timeout: wholeNumber(1, MAX_DNS_SECONDS).default(10),
  /** What becomes of a sender whose domain the DNS tells nothing about, because it fails or is silent. */
  dns_failure: oneOf(['defer', 'accept']).default('defer'),
});
type Context = HookContext<z.output<typeof options>>;

interface Resolution {
  /** `invalid`: it has mail hosts, or addresses, and mail can be sent to none of them. */
  readonly state: 'mx' | 'a' | 'invalid' | 'absent' | 'unknown';
  readonly reason: string;
}

/** As in qpsmtpd, a sender without MX is worth a point less, whatever else it has. */
const KARMA = { mx: 0, a: -1, invalid: -2, absent: -1, unknown: 0 } as const;

const resolution = transactionTask<Resolution>('resolvable_fromhost');

/** Refuses senders nobody could answer: their domain has no mail host and no address. RFC 5321 section 5.1. */
export default definePlugin({
  name: 'resolvable_fromhost',
  about: 'Refuses senders whose domain does not lead to a mail host.',
  options,
  rejects: { reject: '1', reject_type: 'soft' },
  onError: 'defer',
  hooks({ config, log }) {
    const invalid = config.list('invalid_resolvable_fromhost', (lines) => new ClientRanges(lines, { log }));
    return {
      begins: { mail: (context, reversePath) => beginEarly(context, reversePath, invalid) },
      mail: (context, reversePath) => judge(context, reversePath, invalid),
    };
  },
});

function beginEarly(context: Context, sender: Address, invalid: CompiledList<ClientRanges>): void {
  if (context.immunity !== undefined || sender.isNull || isAddressLiteral(sender.domain)) return;
  void resolutionOf(context, sender.canonicalDomain, invalid.current);
}

function judge(
  context: Context,
  reversePath: Address,
  invalid: CompiledList<ClientRanges>,
): Answer | Promise<Answer> {
  const {
    adjustKarma,
    immunity,
    transaction: { notes },
  } = context;
  if (immunity !== undefined) return skip(immunity);
  if (reversePath.isNull) {
    notes.set(resolvableFromhost, 'null');
    return pass('null sender');
  }
  notes.set(resolvableFromhostHost, reversePath.domain);
  if (isAddressLiteral(reversePath.domain)) {
    notes.set(resolvableFromhost, 'ip');
    adjustKarma(-1);
    return skip(`${reversePath.domain} is an IP`);
  }
  return judgeDomain(context, reversePath.canonicalDomain, invalid.current);
}

/** Begun once in a transaction. */
const resolutionOf = (
  { options: { timeout }, services, tasks }: Context,
  domain: string | undefined,
  invalid: ClientRanges,
): Promise<Resolution> =>
  taskResult(tasks, resolution, (signal) =>
    resolve(domain, { dns: services.dns, invalid, limit: { timeoutMs: timeout * 1_000, signal } }),
  );

async function judgeDomain(
  context: Context,
  domain: string | undefined,
  invalid: ClientRanges,
): Promise<Answer> {
  const { log, options } = context;
  const found = await resolutionOf(context, domain, invalid);
  context.adjustKarma(KARMA[found.state]);
  context.transaction.notes.set(resolvableFromhost, isResolved(found) ? found.state : found.reason);
  switch (found.state) {
    case 'mx':
    case 'a':
      return pass(found.reason);
    case 'invalid':
      return fail('FQDN required in the envelope sender', { log: found.reason, status: '1.8' });
    case 'absent':
      return unresolved(found.reason);
    case 'unknown':
      if (options.dns_failure === 'defer') return unresolved(found.reason, { isTemporary: true });
      log.error(`error, tolerated, ${found.reason}`);
      return undefined;
  }
}

const isResolved = ({ state }: Resolution): boolean => state === 'mx' || state === 'a';

const unresolved = (log: string, options: { readonly isTemporary?: boolean } = {}): Finding =>
  fail('Temporary address resolution failure', { log, status: '4.3', ...options });

interface Question {
  readonly dns: Resolver;
  readonly invalid: ClientRanges;
  readonly limit: { readonly timeoutMs: number; readonly signal: AbortSignal };
}

/** Mail hosts, or without any the addresses of the domain itself: RFC 5321 section 5.1. Never rejects. */
async function resolve(domain: string | undefined, question: Question): Promise<Resolution> {
  if (domain === undefined || !isHostName(domain)) return { state: 'absent', reason: 'no name of the DNS' };
  const answer = await question.dns.mx(domain, question.limit);
  if (answer.status === 'found') return resolveExchanges(domain, answer.records, question);
  const failure =
    answer.status === 'failed' ? `no answer about the MX of ${domain}: ${answer.reason}` : undefined;
  // A name server that was silent once would be silent again, and the client has waited long enough.
  if (answer.status === 'failed' && answer.reason === 'timeout')
    return { state: 'unknown', reason: failure! };
  const host = await findReachable([domain], question);
  if (host.found !== undefined) return { state: 'a', reason: `found an address of ${domain}` };
  if (host.hasAddress) return { state: 'invalid', reason: `invalid address of ${domain}` };
  const reason = failure ?? host.failure;
  return reason === undefined
    ? { state: 'absent', reason: `${domain} has neither MX nor address` }
    : { state: 'unknown', reason };
}

async function resolveExchanges(
  domain: string,
  records: readonly { readonly exchange: string; readonly preference: number }[],
  question: Question,
): Promise<Resolution> {
  const exchanges = [...records]
    .sort((a, b) => a.preference - b.preference)
    .map(({ exchange }) => exchange)
    .slice(0, MAX_EXCHANGES);
  const { found, failure } = await findReachable(exchanges, question);
  if (found !== undefined) return { state: 'mx', reason: `${domain} has MX at ${found}` };
  return failure === undefined
    ? { state: 'invalid', reason: `invalid MX for ${domain}` }
    : { state: 'unknown', reason: failure };
}

interface Reachable {
  /** The first name that turned out to lead to a valid address. */
  found: string | undefined;
  failure: string | undefined;
  hasAddress: boolean;
}

/** Asks for all names at a time; once one leads to a valid address, the others are not waited for. */
async function findReachable(
  names: readonly string[],
  { dns, invalid, limit }: Question,
): Promise<Reachable> {
  const isFound = new AbortController();
  const each = { ...limit, signal: AbortSignal.any([limit.signal, isFound.signal]) };
  const result: Reachable = { found: undefined, failure: undefined, hasAddress: false };
  const take = (name: string, addresses: readonly string[]): void => {
    result.hasAddress ||= addresses.length > 0;
    if (result.found !== undefined || !addresses.some((address) => !invalid.has(address))) return;
    result.found = name;
    isFound.abort();
  };
  const ask = async (name: string, question: ReturnType<Resolver['resolve4']>): Promise<void> => {
    const answer = await question;
    if (answer.status === 'found') take(name, answer.records);
    else if (answer.status === 'failed') result.failure ??= `no answer about ${name}: ${answer.reason}`;
  };
  const questions: Promise<void>[] = [];
  for (const name of names) {
    // Some write an address where a name belongs; and the empty name says that the domain takes no mail (RFC 7505).
    if (isIpAddress(name)) take(name, [name]);
    else if (isHostName(name))
      questions.push(ask(name, dns.resolve4(name, each)), ask(name, dns.resolve6(name, each)));
  }
  await Promise.all(questions);
  return result;
}
