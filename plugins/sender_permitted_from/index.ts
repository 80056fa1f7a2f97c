import {
  definePlugin,
  oneOf,
  transactionNote,
  transactionTask,
  wholeNumber,
  z,
  type Address,
  type HookContext,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import { isIP } from '../../bindings/wire/ip-address.ts';
import { dmarcResult, spfResult } from '../mailauth/sender-results.ts';
import { checkIdentity, receivedSpf, resultOf, type IdentityCheck } from './identity-check.ts';
import { mayRefuse, verdictOn, verdictWithoutDmarc, type Terms } from './levels.ts';

/** The domain of the reverse-path, in lower case, if SPF has passed. */
export const spfPassHost = transactionNote<string>('spf_pass_host');

const options = z.object({
  reject: wholeNumber(0, 6).optional(),
  /** The old way to say `reject`: 1 for 3, 2 for 4. */
  spf_deny: wholeNumber(0, 2).optional(),
  no_dmarc_policy: wholeNumber(0, 4).default(0),
  /** What the name in HELO is for, where the reverse-path is not empty. */
  helo: oneOf(['bounces', 'annotate', 'reject']).default('bounces'),
  temperror: oneOf(['accept', 'defer']).optional(),
  /** Seconds all lookups for one identity may take together. RFC 7208 section 4.6.4. */
  timeout: wholeNumber(1, 25).default(20),
});
type Context = HookContext<z.output<typeof options>>;

const pathCheck = transactionTask<IdentityCheck>('SPF of MAIL');
const heloCheck = transactionTask<IdentityCheck>('SPF of HELO');

/**
 * Checks whether the domain of the sender permits the client to send for it. RFC 7208. Lookups begin at MAIL; they are waited for
 * there only if a result may refuse the sender, and else when the header is there.
 */
export default definePlugin({
  name: 'sender_permitted_from',
  about: 'Checks the SPF policy of the domain in the reverse-path, and of HELO.',
  options,
  onError: 'skip',
  // What they know of the client spares it the check.
  after: ['relay', 'whitelist'],
  skipsImmune: true,
  hooks: ({ options: { no_dmarc_policy } }) => ({
    begins: { mail: beginChecks },
    mail: checkSender,
    data_headers_end: writeResults,
    ...(no_dmarc_policy > 0 && { data_post: judgeWithoutDmarc }),
  }),
});

function checkSender(context: Context, reversePath: Address): undefined | Promise<Verdict | undefined> {
  if (!isKnown(context)) {
    context.log.info('skip, the address of the client is not known');
    return undefined;
  }
  beginChecks(context, reversePath);
  const mayEndHere =
    mayRefuse(termsOf(context)) && (hasMailbox(reversePath) || context.options.helo === 'reject');
  return mayEndHere ? judge(context) : undefined;
}

const isKnown = ({ connection: { remoteIp } }: Context): boolean =>
  isIP(remoteIp) !== 0 && remoteIp !== UNKNOWN_ADDRESS;

const hasMailbox = ({ domain, localPart }: Address): boolean => domain !== '' && localPart !== '';

/** Once in a transaction. */
function beginChecks(context: Context, reversePath: Address): void {
  const { connection, options, tasks } = context;
  if (!isKnown(context) || tasks.result(spfResult) !== undefined) return;
  const hasPath = hasMailbox(reversePath);
  if (!hasPath || options.helo !== 'bounces')
    begin(context, heloCheck, undefined, connection.helloHost ?? '');
  if (hasPath) begin(context, pathCheck, reversePath.mailbox, reversePath.domain);
  const counts = tasks.result(hasPath ? pathCheck : heloCheck)!;
  tasks.start(spfResult, async () => {
    const { result, domain, scope } = await counts;
    return { result, domain, scope };
  });
}

/** What XCLIENT makes of a client whose proxy does not know it. */
const UNKNOWN_ADDRESS = '0.0.0.0';

function begin(context: Context, task: typeof pathCheck, sender: string | undefined, domain: string): void {
  const timeoutMs = context.options.timeout * 1_000;
  context.tasks.start(task, (signal) => checkIdentity(context, { sender, domain }, timeoutMs, signal));
}

function termsOf({ config, options }: Context): Terms {
  const { reject = 0, spf_deny = 0, temperror } = options;
  if (spf_deny > 0) return { level: spf_deny + 2, temperror };
  return { level: reject === 0 ? config.number('spfbehavior', 0) : reject, temperror };
}

/** That of HELO is judged first: where it settles the matter, the other is not waited for. RFC 7208 section 2.3. */
async function judge(context: Context): Promise<Verdict | undefined> {
  const terms = termsOf(context);
  for (const task of [heloCheck, pathCheck]) {
    const check = await current(context, task);
    const verdict = check && tell(context, check, terms);
    if (verdict !== undefined) return verdict;
  }
  context.transaction.notes.set(isTold, true);
  return undefined;
}

/** The results are told, and have their consequences. */
const isTold = transactionNote<boolean>('SPF is told');

/** Undefined if it was not begun, or if the transaction is over. */
async function current({ tasks }: Context, task: typeof pathCheck): Promise<IdentityCheck | undefined> {
  const check = await tasks.result(task);
  return check?.signal.aborted === true ? undefined : check;
}

function tell(context: Context, check: IdentityCheck, terms: Terms): Verdict | undefined {
  const { adjustKarma, connection, log, transaction } = context;
  const { result, scope, domain } = check;
  const verdict = verdictOf(context, check, terms);
  log.info(logLine(check, terms, verdict !== undefined));
  connection.addAuthenticationResult(resultOf(check));
  if (scope === 'helo') return verdict;
  if (result === 'pass') {
    adjustKarma(1);
    transaction.notes.set(spfPassHost, domain.toLowerCase());
  } else if (result === 'fail' || result === 'softfail') adjustKarma(-1);
  return verdict;
}

/** Few hosts have a policy for their own name: by HELO none is refused but one that its name forbids. */
function verdictOf({ options }: Context, check: IdentityCheck, terms: Terms): Verdict | undefined {
  const { result, scope, why, hasUnanswered } = check;
  if (scope === 'helo' && (options.helo !== 'reject' || result !== 'fail')) return undefined;
  return verdictOn(result, why, terms, hasUnanswered);
}

/** As qpsmtpd has it; `fail` does not name itself, and softfail is `soft`. */
function logLine({ result, why, explanation }: IdentityCheck, { level }: Terms, isRefused: boolean): string {
  if (result === 'pass') return `pass, ${why}`;
  const told =
    explanation === undefined ? why : `${why} (its domain says: ${explanation.slice(0, MAX_EXPLANATION)})`;
  if (level === 0 && !isRefused) return `skip, tolerated (${result}: ${told})`;
  const name = result === 'fail' ? '' : `${result === 'softfail' ? 'soft' : result}, `;
  if (isRefused) return `fail, ${name}${told}`;
  return result === 'none' ? `skip, tolerated, none, ${told}` : `fail, tolerated, ${name}${told}`;
}

const MAX_EXPLANATION = 200;

/** Here and not at `data_post_headers`, for a message that is passed on while it arrives has lost its header by then. */
async function writeResults(context: Context): Promise<undefined> {
  const { transaction } = context;
  const checks = [await current(context, heloCheck), await current(context, pathCheck)];
  const isNew = transaction.notes.get(isTold) !== true;
  for (const check of checks) {
    if (check === undefined || check.signal.aborted) continue;
    if (isNew) tell(context, check, termsOf(context));
    transaction.message.header.prepend('Received-SPF', receivedSpf(check));
  }
}

async function judgeWithoutDmarc(context: Context): Promise<Verdict | undefined> {
  const { options, tasks } = context;
  const check = await current(context, pathCheck);
  const dmarc = await tasks.result(dmarcResult);
  if (check === undefined || (dmarc !== undefined && dmarc.result !== 'none')) return undefined;
  return verdictWithoutDmarc(check.result, check.why, options.no_dmarc_policy, check.hasUnanswered);
}
