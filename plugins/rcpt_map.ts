import {
  definePlugin,
  deny,
  RETURN_CODE_NAMES,
  verdictFor,
  z,
  type Log,
  type Verdict,
} from '../bindings/plugin/index.ts';
import { canonicalDomain, canonicalEntry } from '../bindings/wire/domain-name.ts';

const NO_SUCH_USER = 'No such user.';

/** `CODE` or `CODE=Text_with_underscores_for_blanks`. */
const defaultVerdict = z.string().transform((word, context): Verdict => {
  const [code = '', ...text] = word.split('=');
  const verdict = verdictFor(code, text.join('=').replaceAll('_', ' ') || NO_SUCH_USER);
  if (verdict !== undefined) return verdict;
  context.addIssue({
    code: 'custom',
    message: `must be one of ${RETURN_CODE_NAMES.join(', ')}, and may go on with =Text_for_the_client`,
  });
  return z.NEVER;
});

const domainName = z.string().transform((word, context): string => {
  const canonical = canonicalDomain(word);
  if (canonical !== undefined) return canonical;
  context.addIssue({ code: 'custom', message: 'must be a name that a domain can have' });
  return z.NEVER;
});

/** Decides about the recipients of one domain by a list of addresses. */
export default definePlugin({
  name: 'rcpt_map',
  about: 'Accepts or refuses the recipients of one domain as a file says.',
  options: z.object({
    domain: domainName,
    file: z.string(),
    default: defaultVerdict.default(deny(NO_SUCH_USER)),
  }),
  hooks({ log, options, services }) {
    const kept = services.files.keep(options.file);
    let { lines } = kept;
    let map = compileMap(lines ?? [], log);
    if (map.size === 0) throw new Error(`Empty map file ${options.file}`);
    /** A file that is being written may be empty for a moment; the last good map stays. */
    const takeChanges = (): void => {
      if (kept.lines === lines) return;
      lines = kept.lines;
      const changed = compileMap(lines ?? [], log);
      if (changed.size > 0) map = changed;
    };
    return {
      'pre-connection': () => kept.refresh()?.then(takeChanges),
      rcpt(_, forwardPath) {
        if (forwardPath.localPart === '' || forwardPath.canonicalDomain !== options.domain) return undefined;
        return map.get(forwardPath.canonicalMailbox.toLowerCase()) ?? options.default;
      },
    };
  },
});

/** Lines `ADDRESS CODE TEXT`, by address in canonical form and lower case. */
function compileMap(lines: readonly string[], log: Pick<Log, 'error'>): ReadonlyMap<string, Verdict> {
  const map = new Map<string, Verdict>();
  for (const line of lines) {
    const [, address = '', code = '', text = ''] = /^(\S+)\s*(\S*)\s*(.*)$/.exec(line) ?? [];
    const verdict = verdictFor(code, text === '' ? NO_SUCH_USER : text);
    const entry = canonicalEntry(address);
    if (verdict === undefined)
      log.error(`line \`${line}\` has no return code (${RETURN_CODE_NAMES.join(', ')})`);
    else if (entry === undefined) log.error(`line \`${line}\` matches nothing: there can be no such domain`);
    else map.set(entry, verdict);
  }
  return map;
}
