import {
  definePlugin,
  deny,
  denySoft,
  flag,
  oneOf,
  transactionTask,
  wholeNumber,
  z,
  type HookContext,
  type Message,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/index.ts';
import { ConfiguredLists } from '../dns-lists/configured-lists.ts';
import type { ListEntry } from '../dns-lists/list-vote.ts';
import { lookUp, type LookupResult, type Match } from './lookups.ts';
import { messageHosts } from './message-hosts.ts';
import { ACTIONS, parseZoneLine, type ZoneLine } from './zones.ts';

/** After that the answer of the plugin itself would be late, with the bounds an operator may set for that. */
const MAX_SECONDS = 120;

const options = z.object({
  /** What becomes of a message that names a listed domain, where the line of the list does not say. */
  action: oneOf(ACTIONS).default('add-header'),
  /** Seconds answers are waited for. */
  timeout: wholeNumber(1, MAX_SECONDS).default(30),
  /** Header fields are looked at, too. */
  'scan-headers': flag().optional(),
  /** The same, as qpsmtpd had it at first. */
  'check-headers': flag().optional(),
  /** IP addresses in URLs are asked about, too. */
  checkip: flag().default(true),
  /** Domains, addresses and names below the domains that are asked about for one message. */
  'max-names': wholeNumber(1, 10_000).default(100),
});
type Context = HookContext<z.output<typeof options>>;

/** Asks lists about the domains that a message names: RFC 5782 section 3. */
export default definePlugin({
  name: 'uribl',
  about: 'Looks for host names in messages, and asks lists about them.',
  options,
  onError: 'defer',
  // Once is enough in the log.
  skipsImmune: ['data_post'],
  hooks(setup) {
    const lists = new ConfiguredLists(setup, 'uribl_zones', 'domains', parseZoneLine);
    const leftOut = setup.config.list('uribl_whitelist_domains', compileDomains);
    const begin = (context: Context): void => beginLookups(context, lists.entries, leftOut.current);
    return {
      'post-fork': () => lists.begin(),
      ...(!scansHeader(setup.options) && {
        // DKIM keys and policies are waited for in this hook.
        begins: { data_post_headers: begin },
        data_post_headers: begin,
      }),
      data_post: (context) => judge(context, begin),
    };
  },
});

/** Undefined: the message names nobody. */
const lookups = transactionTask<LookupResult | undefined>('uribl');

/** The fields of the header that this host adds are scanned with the others, so the header has to be whole for that. */
const scansHeader = (options: Context['options']): boolean =>
  options['scan-headers'] === true || options['check-headers'] === true;

/** Once in a transaction. */
function beginLookups(
  context: Context,
  lists: readonly ListEntry<ZoneLine>[],
  leftOut: ReadonlySet<string>,
): void {
  const { immunity, tasks } = context;
  if (immunity !== undefined || lists.length === 0 || tasks.result(lookups) !== undefined) return;
  tasks.start(lookups, (signal) => findAndLookUp(context, lists, leftOut, signal));
}

async function findAndLookUp(
  { log, options, services, transaction }: Context,
  lists: readonly ListEntry<ZoneLine>[],
  leftOut: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<LookupResult | undefined> {
  const { action, timeout } = options;
  const { names, found, exceeded } = await messageHosts(transaction.message, {
    maxNames: options['max-names'],
    wantsAddresses: options.checkip,
    scansHeader: scansHeader(options),
    isLeftOut: (domain) => leftOut.has(domain),
    random: services.random,
  });
  for (const bound of exceeded) log.notice(`more than ${bound}: the rest of the message is not looked at`);
  if (found > names.length)
    log.notice(
      `${found} names in the message, of which ${names.length} chosen by chance are asked about (max-names)`,
    );
  if (names.length === 0) return undefined;
  log.debug(`asking about ${names.join(', ')}`);
  return lookUp(names, lists, { action, timeoutMs: timeout * 1_000, signal, clock: services.clock });
}

async function judge(context: Context, begin: (context: Context) => void): Promise<Verdict | undefined> {
  const { log, tasks, transaction } = context;
  begin(context);
  const begun = tasks.result(lookups);
  if (begun === undefined) return undefined;
  const found = await begun;
  if (found === undefined) {
    log.info('pass, No URIs found in mail');
    return undefined;
  }
  const { matches, asked, failed } = found;
  const ending = failed === 0 ? '' : `, ${failed} failed`;
  log.info(`${asked} lookups finished (${matches.length} matches${ending})`);
  return settle(matches, transaction.message, log);
}

/** Fields of one message, and lines of the log about it: a sender can name a hundred listed domains, and every list has each. */
const MAX_TOLD = 20;

/** Refusals for good come first, then those for now; what is only marked is marked in the order of the lists. */
function settle(matches: readonly Match[], message: Message, log: Context['log']): Verdict | undefined {
  for (const { text } of matches.slice(0, MAX_TOLD)) log.warn(text);
  if (matches.length > MAX_TOLD) log.warn(`${matches.length - MAX_TOLD} more matches`);
  const refused =
    matches.find(({ action }) => action === 'deny') ?? matches.find(({ action }) => action === 'denysoft');
  if (refused !== undefined) return refused.action === 'deny' ? deny(refused.text) : denySoft(refused.text);
  const marks = matches.filter(({ action }) => action === 'add-header').slice(0, MAX_TOLD);
  for (const { text } of marks) message.header.prepend('X-URIBL-Match', text);
  return undefined;
}

/** One domain a line. Throws an Error that says which is none. */
function compileDomains(lines: readonly string[]): ReadonlySet<string> {
  return new Set(
    lines.map((line) => {
      const domain = canonicalDomain(line.replace(/^\./, ''));
      if (domain !== undefined && /^[\w.-]+$/.test(domain)) return domain;
      throw new Error(`\`${line}\` is no domain (write one domain a line, such as example.org)`);
    }),
  );
}
