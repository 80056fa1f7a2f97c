import {
  definePlugin,
  deny,
  dsn,
  ok,
  oneOf,
  transactionNote,
  wholeNumber,
  withReplyCode,
  z,
  type Address,
  type Answer,
  type HookContext,
  type Verdict,
} from '../bindings/plugin/index.ts';
import { parseLenientPath } from '../bindings/wire/lenient-path.ts';
import { parsePath } from '../bindings/wire/path.ts';
import {
  isSrs,
  readSrsFiles,
  reverse,
  type SrsFiles,
  type SrsProblem,
} from './sender-rewriting/srs-address.ts';

const options = z.object({
  /** Days. */
  life: wholeNumber(1, 1_000).default(21),
  /** Letters an address has to have of its hash. */
  hash: wholeNumber(4, 27).default(4),
  /** Whose mail is taken: that of the null reverse-path alone, which bounces have, or anybody's. */
  senders: oneOf(['null', 'any']).default('null'),
});
type Context = HookContext<z.output<typeof options>>;

/** Mailboxes that bounces of this transaction lead back to. */
const ledBack = transactionNote<Set<string>>('srs_led_back');
/** A client may name recipients for hours. */
const MAX_LED_BACK = 1_000;

const REFUSALS: Readonly<Record<SrsProblem, Verdict>> = {
  form: deny('Invalid SRS address', '1.1'),
  hash: deny('SRS address was not made here', '1.1'),
  expired: deny('SRS address has expired', '1.1'),
};
const NOT_A_BOUNCE = deny('Only bounces come back by this address', '7.1');

/** Leads bounces back to senders whose reverse-path `queue/srs` has rewritten. */
export default definePlugin({
  name: 'srs',
  about: 'Takes bounces to addresses that queue/srs has made, and leads them back to the sender.',
  options,
  onError: 'defer',
  // That one answers for every path, and this one would not be asked.
  before: ['dont_require_anglebrackets', 'rcpt_ok'],
  hooks(setup) {
    const files = readSrsFiles(setup);
    return {
      rcpt_pre: (context, path) => leadBack(context, path, files),
      rcpt: (context, forwardPath) => judge(context, forwardPath, files),
    };
  },
});

/** The recipient becomes the sender of old: what accepts, routes and delivers sees no other. */
function leadBack(context: Context, path: string, files: SrsFiles): Verdict | undefined {
  const enclosed = path.startsWith('<') ? path : `<${path}>`;
  const address = parsePath(enclosed) ?? parseLenientPath(enclosed);
  const found = address && lookUp(context, address, files);
  if (found === undefined || 'code' in found) return undefined;
  const { notes } = context.transaction;
  const mailboxes = notes.get(ledBack) ?? new Set();
  if (mailboxes.size >= MAX_LED_BACK) return undefined;
  notes.set(ledBack, mailboxes.add(found.canonicalMailbox));
  context.log.info(`${path} leads back to ${found.toString()}`);
  return ok(found.toString());
}

function judge(context: Context, forwardPath: Address, files: SrsFiles): Answer {
  if (context.transaction.notes.get(ledBack)?.has(forwardPath.canonicalMailbox) === true) return ok();
  const found = lookUp(context, forwardPath, files);
  if (found === undefined || 'code' in found) return found;
  // Too many were led back before it; there is no mailbox of this name.
  return withReplyCode(dsn.tooManyRcpts(), 452);
}

/** Undefined for addresses that are none of ours. */
function lookUp(
  context: Context,
  address: Address,
  { domains, keys }: SrsFiles,
): Address | Verdict | undefined {
  const { options, services, transaction } = context;
  const { canonicalDomain: domain, localPart } = address;
  if (domain === undefined || !isSrs(localPart) || !domains.current.includes(domain)) return undefined;
  if (options.senders === 'null' && transaction.reversePath?.isNull !== true) return NOT_A_BOUNCE;
  const terms = { keys: keys.current, hashLength: options.hash, nowMs: services.clock.now() };
  const found = reverse(localPart, options.life, terms);
  return typeof found === 'string' ? REFUSALS[found] : found;
}
