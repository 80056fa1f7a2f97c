/** CONTRIBUTING.md and SECURITY.md name files and scripts that are there. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const inRoot = (path: string): string => resolve(ROOT, path);
const FOLDERS = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
/** Made by running something, or a place for a name. */
const isMade = (path: string): boolean => /^(build|dist|node_modules)\/|NAME/.test(path);

test.each(['CONTRIBUTING.md', 'SECURITY.md'])('%s: paths and links lead somewhere', (page) => {
  const text = readFileSync(inRoot(page), 'utf8');
  const quoted = [...text.matchAll(/`([.\w-]+\/[\w./-]*)`/g)].map(([, path]) => path!);
  const links = [...text.matchAll(/\]\(([^):#]+)(?:#[^)]*)?\)/g)].map(([, path]) => path!);
  const paths = [...quoted.filter((path) => FOLDERS.includes(path.split('/')[0]!)), ...links];
  expect(paths.length).toBeGreaterThan(1);
  expect(paths.filter((path) => !isMade(path) && !existsSync(inRoot(path)))).toEqual([]);
});

test('CONTRIBUTING.md: every script it names is one of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...readFileSync(inRoot('CONTRIBUTING.md'), 'utf8').matchAll(/npm run ([\w:]+)/g)];
  expect(named.length).toBeGreaterThan(5);
  expect(named.map(([, script]) => script!).filter((script) => !(script in scripts))).toEqual([]);
});
