import { canonicalIpAddress, isLoopback } from '../bindings/lists/index.ts';
import {
  connectionTask,
  definePlugin,
  pass,
  skip,
  wholeNumber,
  z,
  type Answer,
  type HookContext,
} from '../bindings/plugin/index.ts';
import {
  checkReverse,
  leadsToNetwork,
  MAX_DNS_SECONDS,
  taskResult,
  tellResult,
  type ReverseCheck,
} from './reverse-dns/reverse-check.ts';

const options = z.object({
  /** Seconds a question to the DNS may take; there are two rounds of them. */
  timeout: wholeNumber(1, MAX_DNS_SECONDS).default(5),
  /** Taken from old lines, where they had no effect either. */
  reject: z.string().optional(),
  reject_type: z.string().optional(),
});
type Context = HookContext<z.output<typeof options>>;

const reverseCheck = connectionTask<ReverseCheck>('fcrdns');

/** Forward-confirmed reverse DNS as qpsmtpd has it: an address of the client's network (/24) counts as its own. */
export default definePlugin({
  name: 'fcrdns',
  about: 'Writes into Authentication-Results whether a name of the client’s address leads to its network.',
  options,
  onError: 'skip',
  hooks({ log, options: { reject, reject_type } }) {
    if ((reject ?? '0') !== '0' || reject_type !== undefined)
      log.warn('fcrdns refuses nobody, with or without `reject`: `iprev reject 1` does');
    return {
      begins: { connect: begin, mail: begin },
      connect: begin,
      mail: judge,
    };
  },
});

function begin(context: Context): void {
  if (isChecked(context)) void check(context);
}

const isChecked = ({ connection, immunity }: Context): boolean =>
  immunity === undefined && !isLoopback(connection.remoteIp);

const check = (context: Context): Promise<ReverseCheck> =>
  taskResult(context.tasks, reverseCheck, async (signal) => {
    const {
      connection,
      options: { timeout },
      services,
    } = context;
    const found = await checkReverse(services.dns, connection.remoteIp, {
      timeoutMs: timeout * 1_000,
      signal,
    });
    if (!signal.aborted) context.adjustKarma(karmaOf(connection.remoteIp, found));
    return found;
  });

/** A match earns a point; no name at all, or none with an address, costs one. */
function karmaOf(ip: string, { result, addresses, names }: ReverseCheck): number {
  if (addresses.includes(canonicalIpAddress(ip) ?? ip)) return 1;
  if (result === 'permerror') return -1;
  return result === 'fail' && (names.length === 0 || addresses.length === 0) ? -1 : 0;
}

async function judge(context: Context): Promise<Answer> {
  if (context.immunity !== undefined) return skip(context.immunity);
  if (isLoopback(context.connection.remoteIp)) return skip('localhost');
  const found = await check(context);
  const isMatch = found.result === 'pass' || leadsToNetwork(context.connection.remoteIp, found);
  const result = isMatch ? 'pass' : found.result;
  tellResult(context, { method: 'iprev', result });
  if (isMatch) return pass();
  context.log.info(`fail, tolerated, ${found.reason}`);
  return undefined;
}
