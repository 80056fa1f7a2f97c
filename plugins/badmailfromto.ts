import { definePlugin, deny, transactionNote, type Address, type Log } from '../bindings/plugin/index.ts';
import { canonicalEntry } from '../bindings/wire/domain-name.ts';

/** The entry of the list that the sender of this transaction is under. */
export const badmailfromto = transactionNote<string>('badmailfromto');

/** Refuses pairs of sender and recipient an operator has listed, as if the recipient did not exist. */
export default definePlugin({
  name: 'badmailfromto',
  about: 'Refuses the pairs of sender and recipient listed in the file badmailfromto.',
  onError: 'defer',
  hooks({ config, log }) {
    const list = config.list('badmailfromto', (lines) => compilePairs(lines, log));
    return {
      mail({ transaction }, reversePath) {
        const pairs = list.current;
        if (reversePath.localPart === '' || reversePath.domain === '') return;
        const entry = entriesFor(reversePath).find((key) => pairs.has(key));
        if (entry !== undefined) transaction.notes.set(badmailfromto, entry);
      },
      rcpt({ transaction }, forwardPath) {
        const { reversePath } = transaction;
        if (reversePath === undefined || transaction.notes.get(badmailfromto) === undefined) return undefined;
        const pairs = list.current;
        const recipient = forwardPath.canonicalMailbox.toLowerCase();
        const isListed = entriesFor(reversePath).some((key) => pairs.get(key)?.has(recipient) === true);
        return isListed ? deny(`mail to ${forwardPath.mailbox.toLowerCase()} not accepted here`) : undefined;
      },
    };
  },
});

/** Recipients by sender, both in canonical form and lower case; a sender is `user@host` or `@host`. */
type Pairs = ReadonlyMap<string, ReadonlySet<string>>;

const entriesFor = ({ canonicalMailbox, canonicalDomain, domain }: Address): readonly string[] => [
  canonicalMailbox.toLowerCase(),
  `@${canonicalDomain ?? domain}`,
];

function compilePairs(lines: readonly string[], log: Pick<Log, 'warn'>): Pairs {
  const pairs = new Map<string, Set<string>>();
  for (const line of lines) {
    const [from, to] = line.trim().split(/\s+/).map(canonicalEntry);
    if (from?.includes('@') !== true || to === undefined) {
      log.warn(
        `entry \`${line}\` matches nothing: write \`user@host\` or \`@host\`, a blank, and a recipient`,
      );
      continue;
    }
    pairs.set(from, (pairs.get(from) ?? new Set()).add(to));
  }
  return pairs;
}
