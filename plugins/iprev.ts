import {
  connectionTask,
  definePlugin,
  error,
  fail,
  pass,
  skip,
  wholeNumber,
  z,
  type Answer,
  type HookContext,
} from '../bindings/plugin/index.ts';
import {
  checkReverse,
  MAX_DNS_SECONDS,
  taskResult,
  tellResult,
  type ReverseCheck,
} from './reverse-dns/reverse-check.ts';

const options = z.object({
  /** Seconds a question to the DNS may take; there are two rounds of them. */
  timeout: wholeNumber(1, MAX_DNS_SECONDS).default(5),
});
type Context = HookContext<z.output<typeof options>>;

/** What came out. Begun at `connect`; undefined for clients that are not checked. */
export const iprevCheck = connectionTask<ReverseCheck>('iprev');

/** Tells whether a name of the client's address leads back to it. RFC 8601 sections 2.7.3 and 3. */
export default definePlugin({
  name: 'iprev',
  about: 'Writes into Authentication-Results whether a name of the client’s address leads back to it.',
  options,
  rejects: { reject: '0' },
  onError: 'skip',
  hooks: {
    begins: { connect: begin, mail: begin },
    connect: begin,
    mail: judge,
  },
});

function begin(context: Context): void {
  if (context.immunity === undefined) void check(context);
}

const check = ({ connection, options: { timeout }, services, tasks }: Context): Promise<ReverseCheck> =>
  taskResult(tasks, iprevCheck, (signal) =>
    checkReverse(services.dns, connection.remoteIp, { timeoutMs: timeout * 1_000, signal }),
  );

async function judge(context: Context): Promise<Answer> {
  if (context.immunity !== undefined) return skip(context.immunity);
  const { remoteIp } = context.connection;
  const { result, reason } = await check(context);
  tellResult(context, {
    method: 'iprev',
    result,
    properties: [['policy.iprev', remoteIp]],
  });
  if (result === 'pass') return pass();
  // A name server that does not answer is no fault of the client's.
  if (result === 'temperror') return error(reason);
  return fail(`No name of your address ${remoteIp} leads back to it`, { log: reason, status: '7.25' });
}
