import { isIpAddress } from '../bindings/lists/index.ts';
import {
  connectionTask,
  definePlugin,
  oneOf,
  skip,
  whitelistHost,
  z,
  type Finding,
  type HookContext,
  type Setup,
} from '../bindings/plugin/index.ts';
import { listOptions, ListQuestion } from './dns-lists/list-plugin.ts';

const options = z.object({
  ...listOptions(4),
  /** The hook in which answers are waited for; lists are asked when the client connects. */
  'check-at': oneOf(['connect', 'mail', 'rcpt']).default('rcpt'),
});
type Options = z.output<typeof options>;
type Context = HookContext<Options>;

/** Spares clients whose address is on allow lists in the DNS the checks of the plugins after it. RFC 5782. */
export default definePlugin({
  name: 'dns_whitelist_soft',
  about: 'Exempts clients on the DNS allow lists in the file whitelist_zones from checks.',
  options,
  // Without its lists clients are checked as others are.
  onError: 'skip',
  before: ['dnsbl', 'rhsbl', 'naughty'],
  hooks(setup) {
    const check = new Welcome(setup);
    const { 'check-at': at } = setup.options;
    return {
      'post-fork': () => check.question.lists.begin(),
      begins: { connect: (context) => void check.begin(context) },
      connect: (context) => check.begin(context) ?? (at === 'connect' ? check.judge(context) : undefined),
      ...(at !== 'connect' && { [at]: (context: Context) => check.judge(context) }),
    };
  },
});

class Welcome {
  readonly question: ListQuestion;

  constructor(setup: Setup<Options>) {
    this.question = new ListQuestion(setup, 'whitelist_zones', 'addresses', connectionTask(setup.name));
  }

  /** Has the lists asked, once; a finding if that is not needed. */
  begin(context: Context): Finding | undefined {
    const { connection, immunity } = context;
    if (immunity !== undefined) return skip(immunity);
    const { remoteIp } = connection;
    if (!isIpAddress(remoteIp)) return skip('the client has no address');
    return this.question.begin(context, remoteIp);
  }

  async judge(context: Context): Promise<Finding | undefined> {
    const { connection, log } = context;
    if (connection.notes.get(whitelistHost) === true) return undefined;
    // After PROXY or the like the client may be another one than it was at `connect`.
    if (this.question.verdict(context) === undefined) {
      const needless = this.begin(context);
      if (needless !== undefined) return needless;
    }
    const verdict = (await this.question.verdict(context))!;
    if (!verdict.isListed) {
      log.info(`no match, ${verdict.summary()}`);
      return undefined;
    }
    connection.notes.set(whitelistHost, true);
    log.notice(`Host ${connection.remoteIp} is whitelisted: ${verdict.summary()}`);
    return undefined;
  }
}
