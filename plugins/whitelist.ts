import { ClientRanges } from '../bindings/lists/index.ts';
import {
  connectionNote,
  definePlugin,
  flag,
  LogLevel,
  ok,
  transactionNote,
  whitelistHost,
  whitelistRecipients,
  whitelistSender,
  z,
  type Address,
  type Answer,
  type CompiledList,
  type Hook,
  type HookContext,
  type Log,
} from '../bindings/plugin/index.ts';
import { canonicalDomain, canonicalEntry } from '../bindings/wire/domain-name.ts';

/** The launcher vouched for the client. */
export const whitelistClient = connectionNote<boolean>('whitelistclient');
/** The HELO name is on a list. */
export const whitelistHelo = connectionNote<boolean>('whitelisthelo');

const options = z.object({ per_recipient: flag().default(false), merge: flag().default(true) });
type Context = HookContext<z.output<typeof options>>;
type Lines = readonly string[];
/** Mailboxes and domains in canonical form and lower case. */
type Entries = ReadonlySet<string>;

const KARMA = 5;
/** A client may name recipients for hours, whether they are accepted or not. */
const MAX_WELCOME = 1_000;

/** Recipients of this transaction whose own lists welcome the client or the sender. */
const welcomeMailboxes = transactionNote<Set<string>>('whitelist_mailboxes');

/** Spares welcome clients, senders and recipients the checks of the plugins after it. */
export default definePlugin({
  name: 'whitelist',
  about: 'Exempts listed hosts, HELO names, senders and recipients from checks.',
  options,
  onError: 'defer',
  hooks({ config, log, options: { per_recipient: perRecipient } }) {
    const hosts = config.list('whitelisthosts', (lines) => hostList(lines, log));
    const helos = config.list('whitelisthelo', compileEntries);
    const senders = config.list('whitelistsenders', compileEntries);
    const recipients = config.list('whitelistrcpt', compileEntries);
    if (perRecipient) {
      return {
        rcpt: (context, forwardPath) => checkAll(context, forwardPath, hosts),
        data: countAccepted,
      };
    }
    const checkHelo: Hook<unknown, 'helo'> = (context, host) => judgeHelo(context, host, helos.current);
    return {
      connect: (context) => (isVouchedFor(context) || isWelcomeHost(context, hosts) ? ok() : undefined),
      helo: checkHelo,
      ehlo: checkHelo,
      mail: (context, reversePath) => judgeSender(context, reversePath, senders.current),
      rcpt(context, forwardPath) {
        if (!isListed(forwardPath, recipients.current)) return undefined;
        welcomeRecipient(context, forwardPath);
        return ok();
      },
    };
  },
});

/** Mistakes in users' lists must not fill the log of the site. */
const silence = { warn: () => undefined };

const hostList = (lines: Lines, log: Pick<Log, 'warn'>): ClientRanges =>
  new ClientRanges(lines, { takesOpenPrefixes: true, log });

function isVouchedFor({ adjustKarma, connection, log, services }: Context): boolean {
  if (services.system.environment('WHITELISTCLIENT') === undefined) return false;
  if (connection.notes.get(whitelistClient) === true) return true;
  connection.notes.set(whitelistClient, true);
  log.at(LogLevel.CRIT, `pass, ${connection.remoteIp} is whitelisted client`);
  adjustKarma(KARMA);
  return true;
}

function isWelcomeHost(
  { adjustKarma, connection, log }: Context,
  hosts: CompiledList<ClientRanges>,
): boolean {
  if (!hosts.current.has(connection.remoteIp)) return false;
  if (connection.notes.get(whitelistHost) === true) return true;
  connection.notes.set(whitelistHost, true);
  log.at(LogLevel.CRIT, `pass, ${connection.remoteIp} is a whitelisted host`);
  adjustKarma(KARMA);
  return true;
}

function judgeHelo({ connection, log }: HookContext, host: string, listed: Entries): Answer {
  if (!isNamed(host, listed)) return undefined;
  connection.notes.set(whitelistHelo, true);
  log.at(LogLevel.CRIT, `helo host ${host} in whitelisthelo`);
  return ok();
}

function judgeSender({ log, transaction }: Context, reversePath: Address, listed: Entries): Answer {
  if (!isListed(reversePath, listed)) return undefined;
  transaction.notes.set(whitelistSender, true);
  log.at(LogLevel.CRIT, `envelope sender ${reversePath.mailbox} in whitelistsenders`);
  return ok();
}

function welcomeRecipient({ log, transaction: { notes } }: Context, forwardPath: Address): void {
  notes.set(whitelistRecipients, (notes.get(whitelistRecipients) ?? 0) + 1);
  log.at(LogLevel.CRIT, `recipient ${forwardPath.mailbox} in whitelistrcpt`);
}

/**
 * `per_recipient`: everything is looked at for each recipient, and the recipient's own lists count. A client that they welcome
 * is welcome to this recipient alone, and whether the recipient is one of ours remains to be seen: a HELO name and a
 * sender can be forged, and a user's list must not make the host an open relay.
 */
async function checkAll(
  context: Context,
  forwardPath: Address,
  welcomeHosts: CompiledList<ClientRanges>,
): Promise<void> {
  const { connection, transaction } = context;
  if (isVouchedFor(context) || isWelcomeHost(context, welcomeHosts)) return;
  const [hosts, helos, senders, recipients] = await Promise.all(
    ['whitelisthosts', 'whitelisthelo', 'whitelistsenders', 'whitelistrcpt'].map((name) =>
      linesFor(context, forwardPath, name),
    ),
  );
  const sender = transaction.reversePath;
  const isWelcome =
    hostList(hosts!, silence).has(connection.remoteIp) ||
    isNamed(connection.helloHost ?? '', compileEntries(helos!)) ||
    (sender !== undefined && isListed(sender, compileEntries(senders!))) ||
    isListed(forwardPath, compileEntries(recipients!));
  if (!isWelcome) return;
  const welcome = transaction.notes.get(welcomeMailboxes) ?? new Set();
  if (welcome.size < MAX_WELCOME) welcome.add(forwardPath.mailbox);
  transaction.notes.set(welcomeMailboxes, welcome);
}

/** Only recipients that were accepted count: others could be named to outweigh those who want their mail checked. */
function countAccepted({ transaction: { notes, recipients } }: Context): void {
  const welcome = notes.get(welcomeMailboxes);
  if (welcome === undefined) return;
  notes.set(whitelistRecipients, recipients.filter(({ address }) => welcome.has(address.mailbox)).length);
}

/** The recipient's own lines, with those of the site after them unless `merge 0` says otherwise. */
async function linesFor(context: Context, recipient: Address, name: string): Promise<Lines> {
  const own = await context.linesFor(recipient, name);
  return context.options.merge ? [...own, ...context.config.lines(name)] : own;
}

const compileEntries = (lines: Lines): Entries =>
  new Set(lines.map(canonicalEntry).filter((entry) => entry !== undefined));

function isNamed(name: string, entries: Entries): boolean {
  const canonical = canonicalDomain(name);
  return canonical !== undefined && canonical !== '' && entries.has(canonical);
}

/** `user@host`, or `host` for everybody there. */
const isListed = ({ canonicalDomain: domain, canonicalMailbox }: Address, entries: Entries): boolean =>
  domain !== undefined &&
  domain !== '' &&
  (entries.has(canonicalMailbox.toLowerCase()) || entries.has(domain));
