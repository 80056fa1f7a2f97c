import {
  definePlugin,
  oneOf,
  skip,
  transactionTask,
  z,
  type Address,
  type Answer,
  type Finding,
  type HookContext,
  type Setup,
} from '../bindings/plugin/index.ts';
import { isDomain } from '../bindings/wire/index.ts';
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
  reject_type: rejectType(),
  /** The hook in which answers are waited for; lists are asked when the sender is named. */
  'check-at': oneOf(['mail', 'rcpt']).default('mail'),
});
type Options = z.output<typeof options>;
type Context = HookContext<Options>;

/** Refuses senders whose domain is on lists in the DNS. RFC 5782 section 3. */
export default definePlugin({
  name: 'rhsbl',
  about: 'Refuses senders whose domain is on the DNS blocklists in the file rhsbl_zones.',
  options,
  positional: ['reject_type'],
  rejects: ({ reject_type }) => ({ reject: '1', reject_type }),
  onError: 'skip',
  skipsImmune: ['mail', 'rcpt'],
  before: ['naughty'],
  after: ['relay', 'whitelist', 'dns_whitelist_soft'],
  hooks(setup) {
    const check = new SenderCheck(setup);
    const isLate = setup.options['check-at'] === 'rcpt';
    return {
      'post-fork': () => check.question.lists.begin(),
      begins: { mail: (context, reversePath) => void check.begin(context, reversePath) },
      mail: (context, reversePath) =>
        check.begin(context, reversePath) ?? (isLate ? undefined : check.judge(context, reversePath)),
      ...(isLate && { rcpt: (context: Context, to: Address) => check.judgeLate(context, to) }),
    };
  },
});

class SenderCheck {
  readonly question: ListQuestion;

  constructor(setup: Setup<Options>) {
    this.question = new ListQuestion(setup, 'rhsbl_zones', 'domains', transactionTask(setup.name));
  }

  /** Has the lists asked, once; a finding if that is not needed. */
  begin(context: Context, sender: Address): Finding | undefined {
    if (sender.isNull) return skip('null sender');
    const domain = sender.canonicalDomain ?? '';
    if (domain.startsWith('[') || !isDomain(domain)) return skip('no domain');
    return this.question.begin(context, domain);
  }

  judgeLate(context: Context, forwardPath: Address): Answer | Promise<Answer> {
    if (isSpecial(forwardPath)) return skip(SPECIAL);
    const sender = context.transaction.reversePath;
    return sender === undefined ? undefined : this.judge(context, sender);
  }

  async judge(context: Context, sender: Address): Promise<Answer> {
    const { connection, log } = context;
    const verdict = await this.question.verdict(context);
    if (verdict === undefined) return undefined;
    const [hit] = verdict.hits;
    if (!verdict.isListed || hit === undefined) return findingWithoutListing(verdict, log);
    const domain = sender.canonicalDomain ?? sender.domain;
    const text = await listingText(
      hit,
      { IP: connection.remoteIp, DOMAIN: domain },
      (list) => `is listed in ${list}`,
    );
    const subject = hit.line.text === undefined ? `HELO ${connection.helloHost ?? ''}` : domain;
    return listed(`Mail from ${subject} rejected because it ${text}`, verdict);
  }
}
