import {
  connectionNote,
  decimal,
  definePlugin,
  fail,
  flag,
  karmaHistory,
  oneOf,
  pass,
  skip,
  z,
  type Finding,
  type HookContext,
} from '../bindings/plugin/index.ts';

/** Seconds this client is listened to, in place of `wait`. */
export const earlytalkerWait = connectionNote<number>('earlytalker_wait');

/** The client spoke before its turn. */
export const earlytalker = connectionNote<boolean>('earlytalker');

const options = z.object({
  wait: decimal(0, 25).default(1),
  'defer-reject': flag().optional(),
  'check-at': z.array(oneOf(['connect', 'data'])).default(['connect']),
  /** The old way to say `reject`. */
  action: z.string().optional(),
});
type Context = HookContext<z.output<typeof options>>;

/** From this much good behaviour in earlier connections on, a client is not kept waiting. */
const GOOD_HISTORY = 5;

/**
 * Refuses clients that send before the banner, or before the go-ahead of DATA. RFC 5321 section 3.1. Programs that send
 * spam write down the whole dialogue at once and do not listen.
 */
export default definePlugin({
  name: 'earlytalker',
  about: 'Refuses clients that speak before it is their turn.',
  options,
  rejects: ({ action, 'defer-reject': deferReject }) => ({
    reject: action === undefined || /^deny/i.test(action) ? '1' : '0',
    // qpsmtpd takes every line with defer-reject for one with `action denysoft`.
    reject_type: deferReject === undefined ? 'perm' : 'temp',
  }),
  onError: 'defer',
  // A client that may relay since it spoke too early is refused at MAIL all the same.
  skipsImmune: ['connect', 'data'],
  hooks: ({ options: given }) => ({
    ...(given['check-at'].includes('connect') && { connect: checkAtConnect }),
    ...(given['check-at'].includes('data') && { data: checkAtData }),
    ...(given['defer-reject'] === true && { mail: refuseLater }),
  }),
});

async function checkAtConnect(context: Context): Promise<Finding | undefined> {
  const { adjustKarma, connection, options } = context;
  const history = connection.notes.get(karmaHistory) ?? 0;
  if (history > GOOD_HISTORY) return skip(`karma ${history}`);
  if (!(await talks(context))) return pass('not spontaneous');
  if (options['defer-reject'] !== true) return condemn(context);
  connection.notes.set(earlytalker, true);
  adjustKarma(-1);
  return undefined;
}

async function checkAtData(context: Context): Promise<Finding> {
  return (await talks(context)) ? condemn(context) : pass('not spontaneous');
}

function refuseLater(context: Context): Finding | undefined {
  return context.connection.notes.get(earlytalker) === true ? condemn(context) : undefined;
}

function talks({ connection, options, talksWithin }: Context): Promise<boolean> {
  return talksWithin((connection.notes.get(earlytalkerWait) ?? options.wait) * 1_000);
}

function condemn({ adjustKarma, connection }: Context): Finding {
  connection.notes.set(earlytalker, true);
  adjustKarma(-1);
  return fail('Connecting host started transmitting before SMTP greeting', {
    log: 'remote started talking before we said hello',
  });
}
