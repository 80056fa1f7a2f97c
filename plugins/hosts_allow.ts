import { ClientRanges } from '../bindings/lists/index.ts';
import {
  definePlugin,
  denySoft,
  EXTRA_CONNECTIONS,
  isDenial,
  karmaHistory,
  RETURN_CODE_NAMES,
  verdictFor,
  type HookContext,
  type Log,
  type Verdict,
} from '../bindings/plugin/index.ts';

/** Decides before the banner who may connect at all. RFC 5321 section 3.1. */
export default definePlugin({
  name: 'hosts_allow',
  about: 'Limits the connections of one address, and lists who may connect in the file hosts_allow.',
  limitsConnections: true,
  onError: 'defer',
  hooks({ config, log }) {
    const entries = config.list('hosts_allow', (lines) => lines.map((line) => parseEntry(line, log)));
    return {
      'pre-connection'(context) {
        const { connection } = context;
        const tooMany = limit(context);
        if (tooMany !== undefined) return tooMany;
        const verdict = entries.current.find(({ clients }) => clients.has(connection.remoteIp))?.verdict;
        if (verdict !== undefined && isDenial(verdict.code)) {
          context.log.info(`fail, ${verdict.lines.join(' ')}`);
        }
        return verdict;
      },
    };
  },
});

/** One client that takes many connections keeps others out; how many are many depends on how it behaved so far. */
function limit({ connection, log }: HookContext): Verdict | undefined {
  const { fromSameAddress, maxFromSameAddress, remoteIp } = connection;
  if (maxFromSameAddress === undefined) return undefined;
  const most = maxFor(connection.notes.get(karmaHistory), maxFromSameAddress);
  if (fromSameAddress <= most) return undefined;
  log.info(`fail: too many connections from ${remoteIp} (${fromSameAddress} > ${most})`);
  return denySoft(`too many connections from ${remoteIp}, try again later`);
}

/** `history` is undefined unless the plugin karma has looked it up. */
function maxFor(history: number | undefined, max: number): number {
  if (history === undefined) return max;
  if (history > 5) return max + EXTRA_CONNECTIONS;
  return history <= 0 ? 1 : max;
}

interface Entry {
  readonly clients: ClientRanges;
  readonly verdict: Verdict;
}

/** `ADDRESS[/BITS] CODE [text]`. Throws for an unknown code: a misspelt DENY would let everybody in. */
function parseEntry(line: string, log: Pick<Log, 'warn'>): Entry {
  const [, address = '', code = '', text = ''] = /^(\S+)(?:\s+(\S+)(?:\s+(.*))?)?$/.exec(line.trim()) ?? [];
  const verdict = verdictFor(code, text);
  if (verdict === undefined) {
    throw new Error(`\`${line}\`: \`${code}\` is none of ${RETURN_CODE_NAMES.join(', ')}`);
  }
  return { clients: new ClientRanges([address], { log }), verdict };
}
