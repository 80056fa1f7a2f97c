import { ClientRanges, isIpAddress } from '../bindings/lists/index.ts';
import {
  connectionNote,
  connectionTask,
  definePlugin,
  fail,
  naughty,
  oneOf,
  skip,
  z,
  type Answer,
  type CompiledList,
  type Finding,
  type HookContext,
  type Setup,
} from '../bindings/plugin/index.ts';
import {
  findingWithoutListing,
  isSpecial,
  listed,
  listingText,
  listOptions,
  ListQuestion,
  rejectType,
  SPECIAL,
} from './dns-lists/list-plugin.ts';

const options = z.object({
  ...listOptions(5),
  /** `connect` is `1` by another name. */
  reject: oneOf(['0', '1', 'connect', 'naughty']).default('1'),
  reject_type: rejectType(),
  /** The hook in which answers are waited for; lists are asked when the client connects. */
  'check-at': oneOf(['connect', 'mail', 'rcpt']).default('connect'),
});
type Options = z.output<typeof options>;
type Context = HookContext<Options>;

/** Why the client is naughty, while it writes to somebody who takes mail from everybody. */
const spared = connectionNote<readonly string[]>('dnsbl spared');
/** Instances of the plugin whose listing the client has paid for. */
const charged = connectionNote<string>('dnsbl charged');

/** Refuses clients whose address is on lists in the DNS. RFC 5782. */
export default definePlugin({
  name: 'dnsbl',
  about: 'Refuses clients on the DNS blocklists in the file dnsbl_zones.',
  options,
  positional: ['reject_type'],
  rejects: ({ reject, reject_type }) => ({ reject: reject === 'connect' ? '1' : reject, reject_type }),
  // A list that fails refuses nobody, and neither does one that fails in a way nobody thought of.
  onError: 'skip',
  before: ['naughty'],
  // They spare clients.
  after: ['relay', 'whitelist', 'dns_whitelist_soft'],
  hooks(setup) {
    const check = new ClientCheck(setup);
    const { 'check-at': at } = setup.options;
    return {
      'post-fork': () => check.question.lists.begin(),
      begins: { connect: (context) => void check.begin(context) },
      connect: (context) => check.begin(context) ?? (at === 'connect' ? check.judge(context) : undefined),
      ...(at === 'mail' && { mail: (context: Context) => check.judge(context) }),
      rcpt(context, forwardPath) {
        if (isSpecial(forwardPath)) {
          spare(context);
          return skip(SPECIAL);
        }
        endSparing(context);
        return at === 'rcpt' ? check.judge(context) : undefined;
      },
      data: judgeRecipients,
    };
  },
});

class ClientCheck {
  readonly question: ListQuestion;
  readonly #allowed: CompiledList<ClientRanges>;

  constructor(setup: Setup<Options>) {
    const { config, log, name } = setup;
    this.question = new ListQuestion(setup, 'dnsbl_zones', 'addresses', connectionTask(name));
    this.#allowed = config.list(
      'dnsbl_allow',
      (lines) => new ClientRanges(lines, { takesOpenPrefixes: true, log }),
    );
    config.value('dnsbl_rejectmsg');
  }

  /** Has the lists asked, once; a finding if that is not needed. */
  begin(context: Context): Finding | undefined {
    const { connection, immunity, services } = context;
    const byStarter = services.system.environment('RBLSMTPD');
    if (byStarter !== undefined) return refuseForStarter(context, byStarter);
    if (immunity !== undefined) return skip(immunity);
    const { remoteIp } = connection;
    if (!isIpAddress(remoteIp)) return skip('the client has no address');
    if (this.#allowed.current.has(remoteIp)) return skip('in dnsbl_allow');
    return this.question.begin(context, remoteIp);
  }

  async judge(context: Context): Promise<Answer> {
    const { connection, immunity, log } = context;
    if (immunity !== undefined) return skip(immunity);
    // After PROXY or the like the client may be another one than it was at `connect`.
    if (this.question.verdict(context) === undefined) {
      const needless = this.begin(context);
      if (needless !== undefined) return needless;
    }
    const verdict = (await this.question.verdict(context))!;
    const [hit] = verdict.hits;
    if (!verdict.isListed || hit === undefined) return findingWithoutListing(verdict, log);
    charge(context);
    if (context.options.reject === '0') return listed(`Blocked by ${hit.list.name}`, verdict);
    const text = await listingText(hit, { IP: connection.remoteIp }, (list) => `Blocked by ${list}`);
    return listed(text, verdict);
  }
}

/** A client is listed once, however often it is told so. */
function charge({ adjustKarma, connection: { notes }, name }: Context): void {
  const before = notes.get(charged) ?? '';
  if (before.includes(`${name} `)) return;
  notes.set(charged, `${before}${name} `);
  adjustKarma(-1);
}

/** The launcher has judged the client already, as for rblsmtpd: a text refuses it, an empty one spares it. */
function refuseForStarter({ config, connection }: Context, said: string): Finding {
  if (said === '') return skip('RBLSMTPD is set, but empty');
  const text = said.replaceAll('%IP%', connection.remoteIp);
  const message = config.value('dnsbl_rejectmsg');
  return fail(message === undefined ? text : `${message} ${text}`, { log: 'RBLSMTPD' });
}

/**
 * A naughty client may write to these accounts, and stays naughty for everybody else: it could name one of them first, and be rid
 * of what is held against it.
 */
function spare({ connection: { notes } }: Context): void {
  const reasons = notes.get(naughty);
  if (reasons === undefined) return;
  notes.set(spared, reasons);
  notes.delete(naughty);
}

function endSparing({ connection: { notes }, immunity }: Context): void {
  const reasons = notes.get(spared);
  if (reasons === undefined) return;
  notes.delete(spared);
  // A client that has logged in meanwhile is forgiven.
  if (immunity === undefined) notes.set(naughty, [...(notes.get(naughty) ?? []), ...reasons]);
}

/** The plugin naughty looks again when the message is there. */
function judgeRecipients(context: Context): undefined {
  const { recipients } = context.transaction;
  const isSpared = recipients.length > 0 && recipients.every(({ address }) => isSpecial(address));
  if (isSpared) spare(context);
  else endSparing(context);
}
