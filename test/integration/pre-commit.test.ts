/** scripts/pre-commit, run by git itself in a repository with the rules of this one. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ScratchRepository, type Said } from '../scripts/scratch-repository.ts';

const GOOD = 'export const twice = (count: number): number => 2 * count;\n';
const WRONG_RESULT = 'export const twice = (count: number): number => 3 * count;\n';
const WRONG_TYPE_AND_FORM = "export const twice = (count: number): number =>    'x' + count;\n";
const WRONG_TYPE = "export const twice = (count: number): number => 'x' + count;\n";
const WRONG_STYLE =
  "export const twice = (count: number): number => {\n  console.log('x');\n  return 2 * count;\n};\n";

let scratch: ScratchRepository;
let start: string;

beforeAll(() => {
  scratch = new ScratchRepository();
  scratch.write('host/twice.ts', GOOD);
  scratch.write(
    'test/twice.test.ts',
    "import { expect, test } from 'vitest';\nimport { twice } from '../host/twice.ts';\n\n" +
      "test('twice', () => {\n  expect(twice(2)).toBe(4);\n});\n",
  );
  scratch.commitAll();
  start = scratch.git('rev-parse', 'HEAD').trim();
  scratch.git('config', 'core.hooksPath', 'scripts');
});
beforeEach(() => {
  scratch.git('reset', '--quiet', '--hard', start);
  scratch.git('clean', '--quiet', '--force', '-d');
});
afterAll(() => scratch.remove());

const commit = (...args: string[]): Said => scratch.run('git', 'commit', '--quiet', '-m', 'change', ...args);
const committed = (file: string): string => scratch.git('show', `HEAD:${file}`);
const inWorkTree = (file: string): string => readFileSync(join(scratch.folder, file), 'utf8');
const subjects = (): string => scratch.git('log', '--format=%s');

function stage(file: string, text: string): void {
  scratch.write(file, text);
  scratch.git('add', file);
}

test.each([
  ['a type and a form', WRONG_TYPE_AND_FORM, ['error TS2322', '[warn] host/twice.ts']],
  ['a style', WRONG_STYLE, ['no-console']],
  ['a result', WRONG_RESULT, ['expected 6 to be 4']],
])('a commit with %s that is wrong is refused, also where the work tree is sound', (_what, text, reasons) => {
  stage('host/twice.ts', text);
  scratch.write('host/twice.ts', GOOD);
  const { status, text: said } = commit();
  for (const reason of reasons) expect(said).toContain(reason);
  expect(status).toBe(1);
  expect(subjects()).toBe('all of it\n');
  expect(inWorkTree('host/twice.ts')).toBe(GOOD);
});

test('what is staged counts: the work tree may be broken, and stays as it is', () => {
  stage('host/twice.ts', `${GOOD}export const four = twice(2);\n`);
  scratch.write('host/twice.ts', WRONG_TYPE);
  scratch.write('test/new.test.ts', 'this is no TypeScript\n');
  const { status, text } = commit();
  expect(status, text).toBe(0);
  expect(committed('host/twice.ts')).toContain('four');
  expect(inWorkTree('host/twice.ts')).toBe(WRONG_TYPE);
  expect(inWorkTree('test/new.test.ts')).toBe('this is no TypeScript\n');
});

test('`git commit FILE` looks at that file, whatever else is staged', () => {
  stage('host/twice.ts', WRONG_TYPE);
  stage('host/thrice.ts', 'export const thrice = (count: number): number => 3 * count;\n');
  const { status, text } = commit('host/thrice.ts');
  expect(status, text).toBe(0);
  expect(committed('host/twice.ts')).toBe(GOOD);
  expect(scratch.git('diff', '--cached', '--name-only')).toBe('host/twice.ts\n');
});
