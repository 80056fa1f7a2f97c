import { compilePattern } from '../bindings/lists/index.ts';
import { definePlugin, RETURN_CODE_NAMES, verdictFor, type Verdict } from '../bindings/plugin/index.ts';
import { canonicalEntry } from '../bindings/wire/domain-name.ts';

/** Decides about recipients by a list of addresses and regular expressions; the topmost that matches counts. */
export default definePlugin({
  name: 'rcpt_regexp',
  about: 'Accepts or refuses recipients as the file rcpt_regexp says.',
  hooks({ config }) {
    const rules = config.list('rcpt_regexp', compileRules);
    return {
      rcpt(_, forwardPath) {
        if (forwardPath.localPart === '' || forwardPath.domain === '') return undefined;
        const subjects = forwardPath.patternSubjects;
        return rules.current.find(({ matches }) => matches(subjects))?.verdict;
      },
    };
  },
});

interface Rule {
  readonly verdict: Verdict;
  matches(subjects: readonly string[]): boolean;
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
    if (source === undefined) {
      const address = canonicalEntry(entry);
      return { verdict, matches: ([mailbox]) => mailbox === address };
    }
    const pattern = compilePattern(source, { ignoreCase: true });
    return { verdict, matches: (subjects) => subjects.some((subject) => pattern.test(subject)) };
  });
