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
  skipsImmune: true,
  hooks(setup) {
    const lists = new ConfiguredLists(setup, 'uribl_zones', 'domains', parseZoneLine);
    const leftOut = setup.config.list('uribl_whitelist_domains', compileDomains);
    return {
      'post-fork': () => lists.begin(),
      data_post: (context) => judge(context, lists.entries, leftOut.current),
    };
  },
});

const lookups = transactionTask<LookupResult>('uribl');

async function judge(
  context: Context,
  lists: readonly ListEntry<ZoneLine>[],
  leftOut: ReadonlySet<string>,
): Promise<Verdict | undefined> {
  const { log, options, services, tasks, transaction } = context;
  if (lists.length === 0) return undefined;
  const { names, exceeded } = await messageHosts(transaction.message, {
    maxNames: options['max-names'],
    wantsAddresses: options.checkip,
    scansHeader: options['scan-headers'] === true || options['check-headers'] === true,
    isLeftOut: (domain) => leftOut.has(domain),
  });
  for (const bound of exceeded) log.notice(`more than ${bound}: the rest of the message is not looked at`);
  if (names.length === 0) {
    log.info('pass, No URIs found in mail');
    return undefined;
  }
  log.debug(`asking about ${names.join(', ')}`);
  const { action, timeout } = options;
  tasks.start(lookups, (signal) =>
    lookUp(names, lists, { action, timeoutMs: timeout * 1_000, signal, clock: services.clock }),
  );
  const { matches, asked, failed } = (await tasks.result(lookups))!;
  const ending = failed === 0 ? '' : `, ${failed} failed`;
  log.info(`${asked} lookups finished (${matches.length} matches${ending})`);
  return settle(matches, transaction.message, log);
}

/** Refusals for good come first, then those for now; what is only marked is marked in the order of the lists. */
function settle(matches: readonly Match[], message: Message, log: Context['log']): Verdict | undefined {
  for (const { text } of matches) log.warn(text);
  const refused =
    matches.find(({ action }) => action === 'deny') ?? matches.find(({ action }) => action === 'denysoft');
  if (refused !== undefined) return refused.action === 'deny' ? deny(refused.text) : denySoft(refused.text);
  for (const { action, text } of matches)
    if (action === 'add-header') message.header.prepend('X-URIBL-Match', text);
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
