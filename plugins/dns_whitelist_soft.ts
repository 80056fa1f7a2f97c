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
  type Task,
} from '../bindings/plugin/index.ts';
import { ConfiguredLists } from './dns-lists/configured-lists.ts';
import { begin, listOptions, warnOfThreshold } from './dns-lists/list-plugin.ts';
import type { ListVerdict } from './dns-lists/list-vote.ts';

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
      'post-fork': () => check.lists.begin(),
      begins: { connect: (context) => void check.begin(context) },
      connect: (context) => check.begin(context) ?? (at === 'connect' ? check.judge(context) : undefined),
      ...(at !== 'connect' && { [at]: (context: Context) => check.judge(context) }),
    };
  },
});

class Welcome {
  readonly lists: ConfiguredLists;
  readonly #task: Task<ListVerdict, 'connection'>;

  constructor(setup: Setup<Options>) {
    this.lists = new ConfiguredLists(setup, 'whitelist_zones', 'addresses');
    warnOfThreshold(this.lists, setup.options, 'whitelist_zones', setup.log);
    this.#task = connectionTask(setup.name);
  }

  /** Has the lists asked, once; a finding if that is not needed. */
  begin({ connection, immunity, options, services, tasks }: Context): Finding | undefined {
    if (immunity !== undefined) return skip(immunity);
    const { remoteIp } = connection;
    if (!isIpAddress(remoteIp)) return skip('the client has no address');
    if (this.lists.entries.length === 0) return skip('no zones');
    if (tasks.result(this.#task) === undefined)
      tasks.start(this.#task, (signal) => begin(this.lists, remoteIp, options, services.clock, signal));
    return undefined;
  }

  async judge(context: Context): Promise<Finding | undefined> {
    const { connection, log, tasks } = context;
    if (connection.notes.get(whitelistHost) === true) return undefined;
    // After PROXY or the like the client may be another one than it was at `connect`.
    if (tasks.result(this.#task) === undefined) {
      const needless = this.begin(context);
      if (needless !== undefined) return needless;
    }
    const verdict = (await tasks.result(this.#task))!;
    if (!verdict.isListed) {
      log.info(`no match, ${verdict.summary()}`);
      return undefined;
    }
    connection.notes.set(whitelistHost, true);
    log.notice(`Host ${connection.remoteIp} is whitelisted: ${verdict.summary()}`);
    return undefined;
  }
}
