/** `npm run build:tools`: what a compilation of a part of the tree has to be told. */

import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

test('the tools are compiled with every declaration file: no import leads to those', () => {
  const { config } = ts.readConfigFile(resolve(ROOT, 'tsconfig.tools.json'), ts.sys.readFile) as {
    config: unknown;
  };
  const { fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const declarations = execFileSync('git', ['ls-files', '*.d.ts'], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter((file) => file !== '')
    .map((file) => resolve(ROOT, file));
  expect(declarations.length).toBeGreaterThan(0);
  expect(fileNames).toEqual(expect.arrayContaining(declarations));
});
