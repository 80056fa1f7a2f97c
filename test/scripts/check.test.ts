/** `npm run check -- --list`: which files it looks at and which tests it runs. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScratchRepository } from './scratch-repository.ts';

let scratch: ScratchRepository;

/** `near.test.ts` imports the module, `far.test.ts` imports what imports it, `other.test.ts` neither. */
beforeEach(() => {
  scratch = new ScratchRepository();
  scratch.write('host/module.ts', 'export const one = 1;\n');
  scratch.write('host/user.ts', "import { one } from './module.ts';\nexport const two = one + 1;\n");
  scratch.write('host/alone.ts', 'export const alone = 0;\n');
  scratch.write('test/near.test.ts', "import { one } from '../host/module.ts';\nvoid one;\n");
  scratch.write('test/far.test.ts', "import { two } from '../host/user.ts';\nvoid two;\n");
  scratch.write('test/other.test.ts', "import { alone } from '../host/alone.ts';\nvoid alone;\n");
  scratch.write('test/pages.test.ts', "export const page = 'docs/guide/page.md';\n");
  scratch.write('test/architecture.test.ts', 'export {};\n');
  scratch.write('test/integration/real.test.ts', "import '../../host/module.ts';\n");
  scratch.write('docs/guide/page.md', '# Page\n');
  scratch.commitAll();
  scratch.git('checkout', '--quiet', '-b', 'topic');
});
afterEach(() => scratch.remove());

function list(...args: string[]): string[] {
  const { status, text } = scratch.run(process.execPath, 'scripts/check.mjs', '--list', ...args);
  expect(status, text).toBe(0);
  return text.split('\n').filter((line) => line !== '');
}

/** Writes the record that Vitest would have left. */
function measured(durations: Record<string, number>): void {
  const results = Object.entries(durations).map(([file, duration]) => [
    `:${file}`,
    { duration, failed: false },
  ]);
  scratch.write('node_modules/.vite/vitest/x/results.json', JSON.stringify({ version: '4', results }));
}

test('a branch without a change has nothing to look at', () => {
  expect(list()).toEqual([]);
});

test('tests come nearest first, the rules of the house with any file of the product, integration tests never', () => {
  scratch.write('host/module.ts', 'export const one = 2;\n');
  expect(list()).toEqual([
    'changed host/module.ts',
    'test test/architecture.test.ts',
    'test test/near.test.ts',
    'test test/far.test.ts',
  ]);
});

test('what was committed since the branch left main counts, what main did meanwhile does not; new files count', () => {
  scratch.write('host/alone.ts', 'export const alone = 3;\n');
  scratch.commitAll();
  scratch.git('checkout', '--quiet', 'main');
  scratch.write('host/module.ts', 'export const one = 3;\n');
  scratch.commitAll();
  scratch.git('checkout', '--quiet', 'topic');
  scratch.write('test/new.test.ts', 'export {};\n');
  scratch.write('build/made.ts', 'export {};\n');
  expect(list().sort()).toEqual([
    'changed host/alone.ts',
    'changed test/new.test.ts',
    'test test/architecture.test.ts',
    'test test/new.test.ts',
    'test test/other.test.ts',
  ]);
  expect(list('--base', 'HEAD')).toEqual(['changed test/new.test.ts', 'test test/new.test.ts']);
});

test('a page concerns the tests that name it, a file that is gone those that imported it', () => {
  scratch.write('docs/guide/page.md', '# Other\n');
  rmSync(join(scratch.folder, 'host/alone.ts'));
  expect(list()).toEqual([
    'changed docs/guide/page.md',
    'changed host/alone.ts',
    'test test/architecture.test.ts',
    'test test/other.test.ts',
    'test test/pages.test.ts',
  ]);
});

test('tests that would take too long are left out and named; --all runs them', () => {
  measured({ 'test/near.test.ts': 3_600_000, 'test/far.test.ts': 10 });
  scratch.write('host/module.ts', 'export const one = 2;\n');
  expect(list().slice(1)).toEqual([
    'test test/architecture.test.ts',
    'test test/far.test.ts',
    'left out test/near.test.ts',
  ]);
  expect(list('--all').filter((line) => line.startsWith('left out'))).toEqual([]);
});

test('what every file depends on is named; with --all it concerns every test', () => {
  scratch.write('tsconfig.json', '{}\n');
  expect(list()).toEqual(['changed tsconfig.json', 'concerns everything tsconfig.json']);
  expect(list('--all').filter((line) => line.startsWith('test '))).toHaveLength(5);
});

test('--staged is what would be committed, and leaves the work tree alone', () => {
  scratch.write('host/alone.ts', 'export const alone = 4;\n');
  scratch.git('add', 'host/alone.ts');
  scratch.write('host/module.ts', 'export const one = 5;\n');
  const before = scratch.git('status', '--porcelain');
  expect(list('--staged')[0]).toBe('changed host/alone.ts');
  expect(list('--staged').filter((line) => line.includes('module'))).toEqual([]);
  expect(scratch.git('status', '--porcelain')).toBe(before);
});

test('a commit that does not exist, and options that exclude each other, are refused in words', () => {
  const refused = scratch.run(process.execPath, 'scripts/check.mjs', '--base', 'nowhere');
  expect(refused).toEqual({ status: 64, text: 'check: --base nowhere: there is no such commit\n' });
  expect(scratch.run(process.execPath, 'scripts/check.mjs', '--staged', '--base', 'main').status).toBe(64);
  expect(scratch.run(process.execPath, 'scripts/check.mjs', '--stagd').text).toContain(
    'usage: npm run check',
  );
});
