import {
  definePlugin,
  error,
  fail,
  flag,
  oneOf,
  pass,
  pluginNames,
  quarantine,
  requireQuarantine,
  skip,
  transactionTask,
  wholeNumber,
  z,
  type Answer,
  type CompiledList,
  type HookContext,
} from '../../bindings/plugin/index.ts';
import type { AuthenticationResult } from '../../bindings/wire/authentication-result.ts';
import { verifyChain } from '../mailauth/arc-chain.ts';
import type { MailauthResolver } from '../mailauth/dns-resolver.ts';
import { askForKeys, verifySignatures } from '../mailauth/message-signatures.ts';
import {
  dmarcOutcome,
  dmarcResult,
  spfResult,
  type DmarcResult,
  type PolicyOverride,
  type SpfResult,
} from '../mailauth/sender-results.ts';
import { dmarcCommand, openDmarcCounts } from '../reports/dmarc-counts.ts';
import { authorsOf, type Authors } from './authors.ts';
import { checkDomain, lookAhead, questionsTo, type Evidence } from './domain-check.ts';
import { MAX_DOMAINS, rule, ruleOnMalformed, type Ruling, type RulingOptions } from './judgement.ts';
import { arcOverride, compileDomains, forwarderOverride, type Domains } from './override.ts';

const options = z.object({
  reject: oneOf(['0', '1', 'naughty']).default('1'),
  /** Whether reports may tell of the messages. */
  reporting: flag().default(true),
  quarantine: oneOf(['refuse', 'keep', 'deliver']).default('refuse'),
  /** Seconds that all questions of one message together may take. */
  dns_timeout: wholeNumber(1, 25).default(10),
});
type Context = HookContext<z.output<typeof options>>;

interface Surroundings {
  readonly sealers: CompiledList<Domains>;
  readonly forwarders: CompiledList<Domains>;
  /** `sender_permitted_from` has a line. */
  readonly hasSpf: boolean;
}

/** The authors are known as soon as the header is. Their policies are asked for from then on. */
const preparation = transactionTask<{ readonly authors: Authors; readonly questions: MailauthResolver }>(
  'dmarc_policy',
);
const judgement = transactionTask<{ readonly ruling: Ruling; readonly result: DmarcResult }>(
  'dmarc_judgement',
);

/** Refuses what its Author Domain does not vouch for, if the domain wants that. RFC 9989. */
export default definePlugin({
  name: 'dmarc',
  about: 'Checks that SPF or DKIM vouches for the domain in From, and follows the policy of that domain.',
  options,
  rejects: ({ reject }) => ({ reject, reject_type: 'perm' }),
  onError: 'skip',
  command: dmarcCommand,
  hooks(setup) {
    const { config, log, options } = setup;
    const hasSpf = pluginNames(config).includes('sender_permitted_from');
    if (!hasSpf) log.warn(WITHOUT_SPF);
    if (options.quarantine === 'keep') requireQuarantine(config);
    const surroundings: Surroundings = {
      sealers: config.list('dmarc_trusted_sealers', compileDomains),
      forwarders: config.list('dmarc_trusted_forwarders', compileDomains),
      hasSpf,
    };
    const count = options.reporting ? openDmarcCounts(setup) : undefined;
    return {
      // SPF may be waited for before.
      begins: { data_headers_end: prepare },
      data_headers_end: prepare,
      data_post_headers: (context) => judge(context, surroundings, count),
      data_post: answer,
    };
  },
});

const WITHOUT_SPF =
  'sender_permitted_from does not stand in plugins: DKIM alone is judged by, and mail that only SPF vouches for fails';

function prepare(context: Context): void {
  const { connection, tasks, transaction } = context;
  if (connection.relayClient || tasks.result(preparation) !== undefined) return;
  askForKeys(context);
  const fields = transaction.message.header.all('From');
  tasks.start(preparation, async (signal) => {
    const { services, options } = context;
    const timeoutMs = options.dns_timeout * 1_000;
    const authors = await authorsOf(fields);
    const questions = questionsTo(services, { signal, timeoutMs });
    if (canBeChecked(authors))
      for (const domain of authors.domains) lookAhead(domain, questions).catch(() => undefined);
    return { authors, questions };
  });
}

const canBeChecked = ({ domains, problem }: Authors): boolean =>
  problem === undefined && domains.length <= MAX_DOMAINS;

async function judge(
  context: Context,
  surroundings: Surroundings,
  count: ((result: DmarcResult) => void) | undefined,
): Promise<void> {
  const { connection, tasks, transaction } = context;
  const prepared = tasks.result(preparation);
  if (prepared === undefined) return;
  tasks.start(judgement, async () => {
    const { authors, questions } = await prepared;
    const evidence = await gather(context, surroundings);
    const rulingOptions = optionsOf(context, evidence, surroundings);
    const ruling = canBeChecked(authors)
      ? await rule(
          await Promise.all(authors.domains.map((domain) => checkDomain(domain, evidence, questions))),
          rulingOptions,
        )
      : await ruleOnMalformed(authors, rulingOptions);
    return { ruling, result: resultOf(context, authors, ruling, evidence) };
  });
  const { ruling, result } = (await tasks.result(judgement))!;
  count?.(result);
  // What was found out about one message must not stand in another.
  if (context.transaction !== transaction) return;
  tasks.start(dmarcResult, () => result);
  transaction.notes.set(dmarcOutcome, result.result);
  connection.addAuthenticationResult(authenticationResult(ruling, result));
}

/** What SPF and DKIM have found, each as soon as it is there. */
async function gather(context: Context, { hasSpf }: Surroundings): Promise<Evidence> {
  const [asked, { signatures, fault }] = await Promise.all([
    context.tasks.result(spfResult),
    verifySignatures(context),
  ]);
  const spf = asked ?? (hasSpf ? unaskedSpf(context) : undefined);
  return { spf, signatures, fault };
}

/** Another plugin has let the sender in first, or the address of the client is not known: SPF might have passed. */
function unaskedSpf({ connection, transaction }: Context): SpfResult {
  const domain = transaction.reversePath?.canonicalDomain ?? '';
  if (domain !== '') return { result: 'temperror', domain, scope: 'mfrom' };
  return { result: 'temperror', domain: connection.helloHost ?? '', scope: 'helo' };
}

function optionsOf(
  context: Context,
  evidence: Evidence,
  { forwarders, sealers }: Surroundings,
): RulingOptions {
  const { immunity, options, transaction } = context;
  const isList = ['List-Id', 'List-Post'].some((name) => transaction.message.header.count(name) > 0);
  return {
    refuses: options.reject !== '0',
    quarantine: options.quarantine,
    async exemption(check): Promise<PolicyOverride | undefined> {
      if (immunity !== undefined) return { type: 'local_policy', comment: immunity };
      if (check === undefined) return undefined;
      const forwarder = forwarderOverride(evidence, isList, forwarders.current);
      if (forwarder !== undefined || sealers.current.size === 0) return forwarder;
      return arcOverride(await verifyChain(context), check.domain, sealers.current);
    },
  };
}

function resultOf(
  { connection, options, transaction }: Context,
  { domains, mailboxes }: Authors,
  { check, disposition, overrides, result }: Ruling,
  { signatures, spf }: Evidence,
): DmarcResult {
  const recipients = transaction.recipients.map(({ address }) => address.canonicalDomain ?? address.domain);
  return {
    result,
    published: check?.published,
    policy: check?.policy,
    disposition,
    overrides,
    isSpfAligned: check?.isSpfAligned ?? false,
    isDkimAligned: check?.isDkimAligned ?? false,
    sourceIp: connection.remoteIp,
    headerFrom: domains.length === 1 ? domains[0] : undefined,
    mailboxes,
    organization: check?.organization,
    envelopeFrom: transaction.reversePath?.canonicalDomain ?? '',
    envelopeTo: [...new Set(recipients)],
    spf,
    signatures: signatures.map(({ domain, selector, result, comment }) => ({
      domain,
      selector,
      result,
      comment,
    })),
    isReportable: options.reporting,
  };
}

/** Properties as registered by RFC 9989 section 9.1. */
function authenticationResult({ check, log }: Ruling, result: DmarcResult): AuthenticationResult {
  const { disposition, headerFrom, overrides, policy, published } = result;
  const exempt = overrides.map(({ type }) => ` ${type}`).join('');
  const comment = published === undefined ? undefined : `p=${published.p} dis=${disposition}${exempt}`;
  return {
    method: 'dmarc',
    result: result.result,
    comment:
      result.result === 'permerror' ? (check === undefined ? log : 'more than one Author Domain') : comment,
    properties: [
      ...(headerFrom === undefined ? [] : [['header.from', headerFrom] as const]),
      ...(policy === undefined || result.result === 'permerror' ? [] : [['policy.dmarc', policy] as const]),
    ],
  };
}

async function answer(context: Context): Promise<Answer> {
  const { adjustKarma, connection, log, tasks, transaction } = context;
  if (connection.relayClient) return skip('relay client');
  const judged = tasks.result(judgement);
  if (judged === undefined) return error('the message was not judged');
  const { ruling, result } = await judged;
  const { fault } = ruling;
  if (result.result === 'pass') return pass(ruling.log);
  if (result.result === 'temperror') return error(`the DNS does not tell: ${ruling.log}`);
  if (result.result === 'none') return skip(`no policy (${ruling.log})`);
  if (fault === undefined) {
    const reasons = result.overrides.map(({ type, comment }) => `, ${type}: ${comment}`).join('');
    log.info(`fail, tolerated, ${ruling.log}${reasons}`);
    return undefined;
  }
  adjustKarma(-3);
  if (fault.isKept && result.disposition === 'quarantine') {
    transaction.notes.set(quarantine, `${fault.text} (${ruling.log})`);
    log.info(`fail, kept, ${ruling.log}`);
    return undefined;
  }
  return fail(fault.text, { log: ruling.log });
}
