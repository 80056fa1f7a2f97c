import { addressNumber } from '../../bindings/lists/index.ts';
import {
  definePlugin,
  denySoft,
  error,
  flag,
  skip,
  transactionNote,
  whitelistRecipients,
  wholeNumber,
  z,
  type Address,
  type Answer,
  type Connection,
  type HookContext,
  type Setup,
  type Store,
} from '../../bindings/plugin/index.ts';
import { exemptions } from './exemptions.ts';
import { GREYLIST_TIMES, greylistLifeMs, importGreylist, judgeSender } from './record.ts';

const MESSAGE = 'This mail is temporarily denied';
/** Where the options may stand as well, one `KEY VALUE` a line. */
const FILE = 'denysoft_greylist';

const seconds = () => wholeNumber(1, 1_000_000_000);
const options = z.object({
  remote_ip: flag().optional(),
  sender: flag().optional(),
  recipient: flag().optional(),
  per_recipient: flag().optional(),
  deny_late: flag().optional(),
  reject: flag().optional(),
  upgrade: flag().optional(),
  black_timeout: seconds().optional(),
  white_timeout: seconds().optional(),
  /** Without effect in qpsmtpd since 1.00. */
  grey_timeout: z.string().optional(),
  p0f: z.string().optional(),
  geoip: z.string().optional(),
  db_dir: z.string().optional(),
  redis: z
    .string()
    .regex(/^[\w.-]+(:\d{1,5})?$/, 'must be HOST or HOST:PORT')
    .optional(),
  nfslock: flag()
    .refine((isOn) => !isOn, 'LMDB does not work on network file systems: use the option redis')
    .optional(),
});
type Options = z.output<typeof options>;
type GreylistOptions = ReturnType<typeof withDefaults>;
type Context = HookContext<Options>;

/** Why DATA is to be refused: the refusal was put off. */
const deferred = transactionNote<string>('greylist');

/** Has unknown senders come back later, which those who only ever send spam do not. RFC 6647. */
export default definePlugin({
  name: 'greylisting',
  about: 'Defers mail from unknown senders until they try again.',
  options,
  onError: 'skip',
  skipsImmune: ['mail', 'rcpt'],
  importEntry: importGreylist,
  hooks(setup) {
    const options = withDefaults({ ...parseFile(setup.config.lines(FILE)), ...setup.options });
    if (options.grey_timeout !== undefined) setup.log.warn('grey_timeout has no effect: leave it out');
    const store = setup.services.store.open('greylist', { at: placeOf(options) });
    const isExempt = exemptions(setup, options);
    const ask = (
      context: Context,
      own: GreylistOptions,
      sender: Address,
      recipient?: Address,
    ): Answer | Promise<Answer> => {
      const reason = isExempt(context.connection);
      if (reason !== undefined) return skip(reason);
      return greylist(context, store, own, keyOf(options, context.connection, sender, recipient));
    };
    const isByRecipient = options.recipient || options.per_recipient;
    return {
      ...(options.upgrade && { 'post-fork': (context) => upgrade(context, store, options) }),
      ...(isByRecipient
        ? {
            async rcpt(context, forwardPath) {
              const sender = context.transaction.reversePath!;
              const own = await optionsFor(context, options, forwardPath);
              const answer = await ask(context, own, sender, forwardPath);
              // Callouts ask with the null sender whether an address exists: that answer must not wait.
              return sender.isNull ? defer(context, answer) : answer;
            },
          }
        : {
            async mail(context, reversePath) {
              const answer = await ask(context, options, reversePath);
              return options.deny_late ? defer(context, answer) : answer;
            },
          }),
      data: refuseDeferred,
    };
  },
});

const DEFAULTS = {
  remote_ip: true,
  sender: false,
  recipient: false,
  per_recipient: false,
  deny_late: false,
  reject: true,
  upgrade: false,
  ...GREYLIST_TIMES,
};

const withDefaults = (given: Options) => {
  const options = { ...DEFAULTS, ...given } as typeof DEFAULTS & Options;
  if (!options.remote_ip && !options.sender && !options.recipient)
    throw new Error('enable one of remote_ip, sender, or recipient');
  if (options.black_timeout >= options.white_timeout)
    throw new Error('black_timeout must be less than white_timeout');
  return options;
};

/** Throws an Error that names the file if a line is no option. */
function parseFile(lines: readonly string[]): Options {
  const pairs = lines.map((line) => /^(\S+)\s+(\S.*)$/.exec(line.trim())?.slice(1) ?? [line, '']);
  const result = z.strictObject(options.shape).safeParse(Object.fromEntries(pairs) as unknown);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues as [z.core.$ZodIssue];
  throw new Error(`${FILE}: ${path.join('.')}${path.length > 0 ? ': ' : ''}${message}`);
}

const placeOf = ({ redis, db_dir: directory }: Options): string | undefined =>
  redis === undefined
    ? directory && `lmdb:${directory}`
    : `redis://${redis.includes(':') ? redis : `${redis}:6379`}/0`;

/** The options for one recipient. A mistake in the recipient's file must not keep mail away. */
async function optionsFor(
  context: Context,
  options: GreylistOptions,
  recipient: Address,
): Promise<GreylistOptions> {
  if (!options.per_recipient) return options;
  try {
    return withDefaults({ ...options, ...parseFile(await context.linesFor(recipient, FILE)) });
  } catch (cause) {
    context.log.error(`${recipient.mailbox}: ${String(cause)}`);
    return options;
  }
}

/** What the sender is known by: address as a number, reverse-path, forward-path, joined with colons. */
function keyOf(
  { remote_ip: byAddress, sender: bySender, recipient: byRecipient }: GreylistOptions,
  { remoteIp }: Connection,
  sender: Address,
  recipient: Address | undefined,
): string {
  const parts = byAddress ? [addressNumber(remoteIp) ?? remoteIp] : [];
  if (bySender) parts.push(sender.canonicalMailbox);
  if (byRecipient && recipient !== undefined) parts.push(recipient.canonicalMailbox);
  return parts.join(':');
}

async function greylist(
  context: Context,
  store: Store,
  options: GreylistOptions,
  key: string,
): Promise<Answer> {
  const now = Math.floor(context.services.clock.now() / 1_000);
  try {
    const { isRefused, word } = await store.transact(key, (value) => judgeSender(value, now, options));
    if (isRefused) context.log.warn(options.reject ? `fail: ${word}` : `fail, tolerated: ${word}`);
    else context.log.info(`pass: ${word}`);
    return isRefused && options.reject ? denySoft(MESSAGE) : undefined;
  } catch (cause) {
    return error(`UNABLE TO OBTAIN GREYLIST RESULT:${(cause as Error).message}`);
  }
}

/** Puts a refusal off to DATA. */
function defer({ transaction }: Context, answer: Answer): Answer {
  if (answer?.kind !== 'verdict') return answer;
  transaction.notes.set(deferred, MESSAGE);
  return undefined;
}

function refuseDeferred({ log, transaction }: Context): Answer {
  const message = transaction.notes.get(deferred);
  if (message === undefined) return undefined;
  if ((transaction.notes.get(whitelistRecipients) ?? 0) !== transaction.recipients.length)
    return denySoft(message);
  log.warn('skip: all recipients whitelisted');
  return undefined;
}

/** Old databases have the address in dots. */
async function upgrade(
  { log, services }: Setup<Options>,
  store: Store,
  { white_timeout: white }: GreylistOptions,
): Promise<void> {
  let [converted, count] = [0, 0];
  for await (const [key, value] of store.scan()) {
    count++;
    const [address = '', ...rest] = key.split(':');
    const number = address.includes('.') ? addressNumber(address) : undefined;
    if (number === undefined) continue;
    const expiresInMs = greylistLifeMs(Number.parseInt(value, 10), services.clock.now() / 1_000, white);
    const take = (known: string | undefined) => ({ value: known ?? value, expiresInMs, answer: undefined });
    if (expiresInMs > 0) await store.transact([number, ...rest].join(':'), take);
    await store.delete(key);
    converted++;
  }
  log.info(`converted ${converted} of ${count} DB entries`);
}
