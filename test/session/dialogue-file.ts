/** A golden dialogue: prose, the configuration it is played against, and what both sides say. */

export interface DialogueFile {
  readonly title: string;
  readonly plugins: readonly string[];
  readonly config: Readonly<Record<string, readonly string[]>>;
  readonly transcript: string;
}

/**
 * `# title`, then `# plugins: NAME WORDS | NAME`, `# config: FILE = line | line`, other `#` lines are prose. A server
 * without those lines has rcpt_ok for example.test and throws messages away.
 */
export function parseDialogueFile(text: string): DialogueFile {
  const [first = ''] = text.split('\n', 1);
  const config: Record<string, readonly string[]> = { rcpthosts: ['example.test'] };
  let plugins: readonly string[] = ['rcpt_ok', 'queue/discard'];
  for (const line of text.split('\n')) {
    const directive = /^# (plugins|config): (.*)$/.exec(line);
    if (directive === null) continue;
    const [, kind, rest = ''] = directive;
    if (kind === 'plugins') {
      plugins = split(rest);
    } else {
      const [name = '', lines = ''] = rest.split(/ = /, 2);
      config[name] = split(lines);
    }
  }
  return { title: first.replace(/^#+ /, ''), plugins, config, transcript: text };
}

const split = (words: string): readonly string[] => words.split(' | ').filter((word) => word !== '');
