import { addressNumber } from '../../bindings/lists/index.ts';
import {
  connectionNote,
  decimal,
  definePlugin,
  deny,
  error,
  fail,
  flag,
  karmaHistory,
  naughty,
  oneOf,
  pass,
  skip,
  wholeNumber,
  z,
  type Address,
  type Finding,
  type HookContext,
  type Store,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { karmaCommand } from './command.ts';
import { importKarma, karmaLifeMs, parseKarma, printKarma, type KarmaRecord } from './record.ts';

const days = () => decimal(0.01, 36_500);

const options = z.object({
  negative: wholeNumber(1, 1_000_000).default(1),
  strikes: wholeNumber(1, 1_000_000).default(3),
  penalty_days: days().default(1),
  /** The name `penalty_days` has in old sample configurations. */
  penalty_box: days().optional(),
  reject: oneOf(['0', '1', 'connect', 'naughty']).default('naughty'),
  db_dir: z.string().optional(),
  nfslock: flag()
    .refine(
      (isOn) => !isOn,
      'LMDB does not work on network file systems: name a Redis server in the file `store`',
    )
    .optional(),
});
type Options = z.output<typeof options>;
type Context = HookContext<Options>;

/** From this history on a connection begins with a point in its favour. */
const TRUSTED_HISTORY = 10;
/** Below this karma no message is taken. */
const WORST_KARMA = -4;
/** Below this history, and without one good connection, each further bad one costs more. */
const BONUS_HISTORY = -5;

/** What was on record before `connect`; null for nothing. */
const record = connectionNote<string | null>('karma record');
/** The store has failed for this connection, and the log has it. */
const isDown = connectionNote<boolean>('karma store is down');
/** The path of the command at hand does not follow the colon at once. RFC 5321 section 3.3. */
const isDetached = connectionNote<boolean>('karma detached path');

/** Remembers how the connections of an address went, and turns those away that went badly too often. */
export default definePlugin({
  name: 'karma',
  about: 'Keeps a history of good and bad connections by address, and refuses the worst.',
  options,
  rejects: ({ reject }) => ({ reject: reject === 'connect' ? '1' : reject, reject_type: 'disconnect' }),
  onError: 'skip',
  // Both go by the history.
  before: ['earlytalker', 'hosts_allow'],
  // A client that they let relay or welcome is spared.
  after: ['relay', 'whitelist'],
  // The history grows by everybody, and so does what the form of a path costs.
  skipsImmune: ['connect', 'data', 'data_post'],
  command: karmaCommand,
  importEntry: importKarma,
  hooks({ config, options: { db_dir: directory }, services }) {
    const at = directory === undefined ? undefined : `lmdb:${directory}`;
    const store = services.store.open('karma', { at });
    const tlds = config.list('karma_tlds', compileTlds);
    return {
      'pre-connection': (context) => safely(context, lookUp(context, store)),
      connect: (context) => safely(context, welcome(context, store)),
      mail_parse: (context, line) => noteForm(context, /^from:</i.test(line)),
      mail: (context, reversePath) => judgeSender(context, reversePath, tlds.current),
      rcpt_parse: (context, line) => noteForm(context, /^to:</i.test(line)),
      rcpt: judgeRecipient,
      data: judgeMessage,
      data_post: judgeMessage,
      disconnect: (context) => safely(context, settle(context, store)),
    };
  },
});

/** A store that is down must not keep clients from being served; one line of the log for each connection says so. */
async function safely(
  { connection }: Context,
  answer: Promise<Finding | undefined>,
): Promise<Finding | undefined> {
  return answer.catch((cause: unknown) => {
    if (connection.notes.get(isDown) === true) return undefined;
    connection.notes.set(isDown, true);
    return error((cause as Error).message);
  });
}

async function lookUp({ connection }: Context, store: Store): Promise<undefined> {
  connection.notes.set(karmaHistory, 0);
  const key = addressNumber(connection.remoteIp);
  if (key === undefined) return;
  const found = await store.get(key);
  connection.notes.set(record, found ?? null);
  connection.notes.set(karmaHistory, historyOf(parseKarma(found)));
}

async function welcome(context: Context, store: Store): Promise<Finding> {
  const { connection, options, services } = context;
  const key = addressNumber(connection.remoteIp);
  if (key === undefined) return skip('unable to get DB key');
  if (connection.notes.get(record) === undefined) await lookUp(context, store);
  const found = connection.notes.get(record) ?? null;
  if (found === null) return pass('no record');
  const known = parseKarma(found);
  const history = historyOf(known);
  if (history > TRUSTED_HISTORY) context.adjustKarma(1);
  const summary = `${known.naughty} naughty, ${known.nice} nice, ${known.connects} connects`;
  if (known.penaltyStart === 0) return pass(`no penalty (${summary})`);
  const age = (services.clock.now() / 1_000 - known.penaltyStart) / 86_400;
  const left = (options.penalty_box ?? options.penalty_days) - age;
  if (left <= 0) return pass(`penalty expired (${summary})`);
  await change(context, store, key, (current) => ({ ...current, connects: current.connects + 1 }));
  return fail(`You were naughty. You cannot connect for ${left.toFixed(2)} more days.`, {
    log: String(history),
  });
}

/** The hook that takes MAIL and RCPT apart is the only one that sees them as they were sent. */
function noteForm({ connection }: Context, isRight: boolean): undefined {
  connection.notes.set(isDetached, !isRight);
}

function judgeForm({ adjustKarma, connection, log }: Context, path: Address): void {
  if (connection.notes.get(isDetached) !== true) return;
  log.info(`illegal envelope address format: ${path.mailbox}`);
  adjustKarma(-2);
}

function judgeSender(context: Context, reversePath: Address, scores: Scores): undefined {
  judgeForm(context, reversePath);
  const domain = reversePath.canonicalDomain ?? '';
  for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
    const tld = domain.slice(dot + 1);
    const score = scores.get(tld);
    if (score === undefined) continue;
    context.log.info(`adjusting karma for .${tld} envelope sender`);
    context.adjustKarma(score);
  }
}

/** A client that has not earned anything yet may write to one recipient at a time: strangers try out addresses. */
function judgeRecipient(context: Context, forwardPath: Address) {
  judgeForm(context, forwardPath);
  const { connection, immunity, transaction } = context;
  if (immunity !== undefined) return skip(immunity);
  if (transaction.recipients.length === 0) return undefined;
  const history = connection.notes.get(karmaHistory) ?? 0;
  if (history > 0 || connection.karma > 0) return undefined;
  return deny(`too many recipients for karma ${connection.karma} (h: ${history})`);
}

function judgeMessage({ connection }: Context): Finding | undefined {
  if (connection.karma >= WORST_KARMA) return undefined;
  // The plugin naughty will refuse it, for all reasons at once.
  if ((connection.notes.get(naughty) ?? []).length > 0) return undefined;
  return fail(`very bad karma: ${connection.karma}`);
}

async function settle(context: Context, store: Store): Promise<undefined> {
  const { connection, log, options, services } = context;
  const key = addressNumber(connection.remoteIp);
  const { karma } = connection;
  if (karma === 0 || key === undefined) return;
  const now = Math.floor(services.clock.now() / 1_000);
  let result = '';
  const after = await change(context, store, key, (before) => {
    const { next, outcome } = judge(before, karma, now, options);
    result = outcome;
    return next;
  });
  log.info(`${result}, (msg: ${karma}, his: ${historyOf(after)})`);
}

interface Judgement {
  readonly next: KarmaRecord;
  /** For the log. */
  readonly outcome: string;
}

/** What a connection that ended with `karma` adds to the record. `now` is in seconds. */
function judge(before: KarmaRecord, karma: number, now: number, { negative, strikes }: Options): Judgement {
  const counted = { ...before, connects: before.connects + 1 };
  if (karma >= strikes) return { next: { ...counted, nice: before.nice + 1 }, outcome: 'positive' };
  if (karma > -strikes) return { next: counted, outcome: 'neutral' };
  const next = { ...counted, naughty: before.naughty + 1 };
  const history = historyOf(next);
  if (history > -negative) return { next, outcome: 'negative' };
  const outcome = 'negative, sent to penalty box';
  if (next.nice > 0 || history >= BONUS_HISTORY) return { next: { ...next, penaltyStart: now }, outcome };
  const penaltyStart = now - history * 86_400;
  return { next: { ...next, penaltyStart }, outcome: `${outcome}, penalty box bonus!` };
}

const historyOf = ({ nice, naughty }: KarmaRecord): number => nice - naughty;

function change(
  { services }: Context,
  store: Store,
  key: string,
  revise: (before: KarmaRecord) => KarmaRecord,
): Promise<KarmaRecord> {
  return store.transact(key, (value) => {
    const answer = revise(parseKarma(value));
    return { value: printKarma(answer), expiresInMs: karmaLifeMs(answer, services.clock.now()), answer };
  });
}

/** Points by the end of a domain, without the dot in front. */
type Scores = ReadonlyMap<string, number>;

/** `TLD:SCORE`, one a line. */
function compileTlds(lines: readonly string[]): Scores {
  return new Map(
    lines.map((line) => {
      const parts = /^\.?([^\s:]+)\s*:\s*([+-]?\d{1,6})$/.exec(line.trim());
      if (parts === null) throw new Error(`\`${line}\` is not of the form TLD:SCORE, such as \`work:-4\``);
      return [canonicalDomain(parts[1]!) ?? '', Number(parts[2])] as const;
    }),
  );
}
