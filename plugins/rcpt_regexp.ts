import {
  compilePattern,
  definePlugin,
  RETURN_CODE_NAMES,
  verdictFor,
  type Verdict,
} from '../bindings/plugin/index.ts';

/** Decides about recipients by a list of addresses and regular expressions; the topmost that matches counts. */
export default definePlugin({
  name: 'rcpt_regexp',
  about: 'Accepts or refuses recipients as the file rcpt_regexp says.',
  hooks({ config }) {
    config.compiled('rcpt_regexp', compileRules);
    return {
      rcpt(_, forwardPath) {
        if (forwardPath.localPart === '' || forwardPath.domain === '') return undefined;
        const mailbox = forwardPath.mailbox.toLowerCase();
        return config.compiled('rcpt_regexp', compileRules).find(({ matches }) => matches(mailbox))?.verdict;
      },
    };
  },
});

interface Rule {
  readonly verdict: Verdict;
  matches(mailbox: string): boolean;
}

/** Lines `/PATTERN/ CODE TEXT` or `ADDRESS CODE TEXT`, without regard to case. */
const compileRules = (lines: readonly string[]): readonly Rule[] =>
  lines.map((line) => {
    const [, entry = '', code = '', text = ''] = /^(\S+)\s*(\S*)\s*(.*)$/.exec(line) ?? [];
    const verdict = verdictFor(code, text);
    if (verdict === undefined) {
      throw new Error(
        `\`${line}\`: a return code has to follow the address (${RETURN_CODE_NAMES.join(', ')})`,
      );
    }
    const source = /^\/(.*)\/$/.exec(entry)?.[1];
    if (source === undefined) return { verdict, matches: (mailbox) => mailbox === entry.toLowerCase() };
    const pattern = compilePattern(source, { ignoreCase: true });
    return { verdict, matches: (mailbox) => pattern.test(mailbox) };
  });
