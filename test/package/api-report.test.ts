/** The plugin API as docs/reference/api.md has it: in step with the tree, small, and in use. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGE = 'docs/reference/api.md';

/** An author can have read all names of the API. */
const MAX_EXPORTS = 125;

/** Imported by none of our plugins and named in no page of ours, and why they are there all the same. */
const UNUSED: Readonly<Record<string, string>> = {
  PluginDefinition: 'the type of every default export: the declarations of a plugin in TypeScript name it',
  OptionShape: 'what PluginDefinition has as its parameter',
  Note: 'the type of a note: the declarations of a plugin that exports one name it',
  HookName: 'the parameter of Hook, for hooks that are declared by themselves',
};

const read = (path: string): string => readFileSync(resolve(ROOT, path), 'utf8');
const tracked = (...patterns: string[]): readonly string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path !== '');

/** The names in the section of `module`. */
function namesOf(module: string): readonly string[] {
  const section = read(PAGE).split(`## ${module}\n`)[1]!;
  const lines = section.split('```text\n')[1]!.split('\n```')[0]!.split('\n');
  return lines.map((line) => /^(?:const and type|\w+) (\w+)/.exec(line)![1]!);
}

/** What files of ours import by name. */
function importedNames(): ReadonlySet<string> {
  const sources = [...tracked('plugins/*.ts'), 'host/cli/plugin-new.ts'].map(read);
  const lists = sources.flatMap((text) =>
    [
      ...text.matchAll(
        /import (?:type )?\{([^}]*)\} from '[^']*(?:bindings|qpsmtpd)\/(?:plugin|lists)[^']*'/g,
      ),
    ].map(([, list]) => list!),
  );
  return new Set(lists.flatMap((list) => list.split(',')).map((name) => name.replace(/\btype /, '').trim()));
}

const pages = tracked('docs/*.md', 'README.md')
  .filter((path) => path !== PAGE)
  .map(read)
  .join('\n');

/** As code: in backticks or imported by an example. */
const isDocumented = (name: string): boolean =>
  new RegExp(`\`[^\`\\n]*\\b${name}\\b[^\`\\n]*\`|import \\{[^}]*\\b${name}\\b[^}]*\\} from 'qpsmtpd/`).test(
    pages,
  );

describe('the plugin API', () => {
  test('is what its report says (npm run docs)', () => {
    const made = execFileSync(process.execPath, ['scripts/api-report.mjs'], { cwd: ROOT, encoding: 'utf8' });
    expect(made).toContain('function definePlugin: <S extends OptionShape');
    expect(read(PAGE)).toBe(made);
  });

  test('has few names', () => {
    const names = namesOf('qpsmtpd/plugin');
    expect(names.length).toBeGreaterThan(50);
    expect(names.length).toBeLessThanOrEqual(MAX_EXPORTS);
  });

  test('has no name that nobody uses, but for those with a reason', () => {
    const imported = importedNames();
    expect(imported.size).toBeGreaterThan(50);
    const all = [...namesOf('qpsmtpd/plugin'), ...namesOf('qpsmtpd/lists')];
    const unused = all.filter((name) => !imported.has(name) && !isDocumented(name));
    expect(unused.sort()).toEqual(Object.keys(UNUSED).sort());
  });
});
