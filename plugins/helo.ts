import {
  compilePattern,
  isAddressLiteral,
  isIpAddress,
  isLoopback,
  shareNetwork,
} from '../bindings/lists/index.ts';
import {
  connectionNote,
  connectionTask,
  definePlugin,
  fail,
  oneOf,
  pass,
  skip,
  wholeNumber,
  z,
  type Answer,
  type CompiledList,
  type Finding,
  type Hook,
  type HookContext,
  type Resolver,
} from '../bindings/plugin/index.ts';
import { canonicalDomain, unicodeDomain } from '../bindings/wire/domain-name.ts';
import { hostNames, MAX_DNS_SECONDS, taskResult } from './reverse-dns/reverse-check.ts';

/** The HELO name leads to the client's network, or the client's address to the domain of the name. */
export const heloForwardMatch = connectionNote<boolean>('helo_forward_match');
export const heloReverseMatch = connectionNote<boolean>('helo_reverse_match');

/** The names of the client's address; asked for while it waits for the banner and says HELO. */
const reverseAnswer = connectionTask<ReverseAnswer>('helo_reverse');
type ReverseAnswer = Awaited<ReturnType<Resolver['reverse']>>;

const options = z.object({
  policy: oneOf(['lenient', 'rfc', 'strict']).default('lenient'),
  /** Seconds a question to the DNS may take. */
  timeout: wholeNumber(1, 3_600).default(5),
  /** Taken from old lines. */
  reject_type: z.string().optional(),
});
type Context = HookContext<z.output<typeof options>>;
type BadNames = CompiledList<Matcher>;

/** Refuses HELO names that cannot be the client's. RFC 5321 sections 2.3.5 and 4.1.4. */
export default definePlugin({
  name: 'helo',
  about: 'Checks the name in HELO and EHLO, and writes it into the field X-HELO.',
  options,
  rejects: { reject: '1', reject_type: 'disconnect' },
  onError: 'defer',
  hooks({ config, log, options: { reject_type } }) {
    if (reject_type !== undefined && reject_type !== 'disconnect') {
      log.warn(
        `reject_type ${reject_type} is not followed: a refused client is always disconnected, as in qpsmtpd`,
      );
    }
    const badNames = config.list('badhelo', compileNames);
    const check: Hook<z.output<typeof options>, 'helo'> = (context, host) => judge(context, host, badNames);
    return {
      begins: { connect: beginReverse, helo: beginReverse, ehlo: beginReverse },
      connect: beginReverse,
      helo: check,
      ehlo: check,
      data_post: addField,
    };
  },
});

function judge(context: Context, host: string, badNames: BadNames): Answer | Promise<Answer> {
  const { adjustKarma, immunity, log, options } = context;
  if (host === '') {
    log.info('fail, tolerated, no helo host');
    adjustKarma(-2);
    return undefined;
  }
  if (immunity !== undefined) return skip(immunity);
  const failure = checkText(context, host, badNames);
  if (failure !== undefined) return condemn(context, failure);
  return options.policy === 'lenient' ? pass() : checkNames(context, host);
}

function condemn({ adjustKarma }: Context, failure: Finding): Finding {
  adjustKarma(-1);
  return failure;
}

/** What can be told from the name alone. */
function checkText({ connection, options }: Context, host: string, badNames: BadNames): Finding | undefined {
  const name = canonicalDomain(host) ?? host.toLowerCase();
  if (badNames.current(name)) {
    return fail(`I do not believe you are ${host.slice(0, 255)}.`, { log: 'in badhelo' });
  }
  if (name === 'localhost' && !isLoopback(connection.remoteIp)) {
    return fail('You are not localhost', { log: 'invalid localhost' });
  }
  if (isPlainIp(name)) return fail('Forged IPs not accepted here', { log: 'forged IP literal' });
  if (options.policy === 'lenient' || isAddressLiteral(host)) return undefined;
  if (!name.includes('.')) {
    return fail('HELO name is not fully qualified. Read RFC 2821', { log: 'not FQDN' });
  }
  if (/[^a-zA-Z0-9\-.]/.test(host)) {
    return fail('HELO name contains invalid FQDN characters. Read RFC 1035', { log: 'invalid FQDN chars' });
  }
  return undefined;
}

const isLookedUp = ({ immunity, options }: Context): boolean =>
  immunity === undefined && options.policy !== 'lenient';

function beginReverse(context: Context): void {
  if (isLookedUp(context)) void askReverse(context);
}

const askReverse = (context: Context): Promise<ReverseAnswer> =>
  taskResult(context.tasks, reverseAnswer, (signal) =>
    context.services.dns.reverse(context.connection.remoteIp, { ...dnsLimit(context), signal }),
  );

/** What the DNS knows of the name and of the address. */
async function checkNames(context: Context, host: string): Promise<Finding> {
  // Both are asked at a time; what the name is to be refused for comes first.
  const reverse = askReverse(context);
  const failure =
    (isAddressLiteral(host) ? undefined : await checkForward(context, host)) ??
    checkReverse(context, host, await reverse) ??
    (context.options.policy === 'strict' ? checkMatch(context, host) : undefined);
  return failure === undefined ? pass() : condemn(context, failure);
}

async function checkForward(context: Context, host: string): Promise<Finding | undefined> {
  const { connection, log, services } = context;
  const name = canonicalDomain(host);
  if (name === undefined) return fail('HELO hostname does not exist', { log: 'no such host' });
  const limit = dnsLimit(context);
  const answers = await Promise.all([services.dns.resolve4(name, limit), services.dns.resolve6(name, limit)]);
  const addresses = answers.flatMap((answer) => (answer.status === 'found' ? answer.records : []));
  if (addresses.some((address) => shareNetwork(address, connection.remoteIp, 24, 96))) {
    connection.notes.set(heloForwardMatch, true);
  }
  if (addresses.length > 0) return undefined;
  const failed = answers.find((answer) => answer.status === 'failed');
  if (failed !== undefined) {
    log.error(`skip, query failed (${failed.reason})`);
    return undefined;
  }
  return answers.every(({ status }) => status === 'no such name')
    ? fail('HELO hostname does not exist', { log: 'no such host' })
    : fail('HELO hostname did not resolve', { log: 'no forward DNS' });
}

function checkReverse({ connection }: Context, host: string, answer: ReverseAnswer): Finding | undefined {
  const ip = connection.remoteIp;
  if (answer.status === 'no such name') return fail(`no rDNS for ${ip}`, { log: 'no rDNS' });
  if (answer.status === 'no such record') return fail(`no reverse DNS for ${ip}`, { log: 'no rDNS' });
  if (answer.status === 'failed') {
    // A name server that does not answer is no fault of the client's, and may answer the next time.
    return fail(`error getting reverse DNS for ${ip}`, { log: `rDNS ${answer.reason}`, isTemporary: true });
  }
  if (hostNames(answer.records).some((name) => isSameDomain(name, host)))
    connection.notes.set(heloReverseMatch, true);
  return undefined;
}

function checkMatch({ adjustKarma, connection: { notes } }: Context, host: string): Finding | undefined {
  if (isAddressLiteral(host)) {
    return fail('RFC 2821 allows an address literal, but we do not', { log: 'bracketed IP' });
  }
  const isForward = notes.get(heloForwardMatch) === true;
  const isReverse = notes.get(heloReverseMatch) === true;
  if (isForward && isReverse) adjustKarma(1);
  return isForward || isReverse
    ? undefined
    : fail('That HELO hostname fails FCrDNS', { log: 'no matching DNS' });
}

function addField({ connection, transaction }: Context): void {
  const { header } = transaction.message;
  header.remove('X-HELO');
  header.prepend('X-HELO', connection.helloHost ?? '');
}

const dnsLimit = ({ options }: Context): { timeoutMs: number } => ({
  timeoutMs: Math.min(options.timeout, MAX_DNS_SECONDS) * 1_000,
});

/** `192.0.2.1`, `2001:db8::1`, and what some take for an address: `10.1`. */
const isPlainIp = (host: string): boolean =>
  isIpAddress(host) ||
  (/^\d{1,3}(?:\.\d{1,3}){0,3}$/.test(host) && host.split('.').every((octet) => Number(octet) < 256));

/** Hosts of one pool have different names in one domain. */
function isSameDomain(one: string, other: string): boolean {
  const ending = (name: string): string => (canonicalDomain(name) ?? '').split('.').slice(-2).join('.');
  return ending(one).includes('.') && ending(one) === ending(other);
}

type Matcher = (name: string) => boolean;

/** Names, and patterns (anything with one of `{}[]()^$|*+?\!`) for names in canonical form or with U-labels; `!` negates. */
function compileNames(lines: readonly string[]): Matcher {
  const names = new Set(lines.map((line) => canonicalDomain(line) ?? line));
  const patterns = lines
    .filter((line) => /[{}[\]()^$|*+?\\!]/.test(line))
    .map((line): Matcher => {
      const isNegated = line.startsWith('!');
      const pattern = compilePattern(isNegated ? line.slice(1) : line);
      return (name) => (pattern.test(name) || pattern.test(unicodeDomain(name))) !== isNegated;
    });
  return (name) => names.has(name) || patterns.some((matches) => matches(name));
}
