/** What the package offers by name: `qpsmtpd/plugins/NAME` for each plugin, whether it is one file or a folder. */

import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pluginNames } from '../../host/hooks/plugin-finder.ts';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly exports: Readonly<Record<string, string>>;
};

/** The source that a target in `dist` is built from. */
const sourceOf = (target: string): string => target.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts');

const targetOf = (name: string): string =>
  exports[`./plugins/${name}`] ?? exports['./plugins/*']!.replace('*', name);

test('every plugin can be built on by its name', () => {
  const names = pluginNames('plugins');
  expect(names.length).toBeGreaterThanOrEqual(60);
  const missing = names.map(targetOf).filter((target) => !existsSync(sourceOf(target)));
  expect(missing).toEqual([]);
});

test('every other entry has its source', () => {
  const targets = Object.entries(exports)
    .filter(([key]) => !key.includes('*') && key !== './package.json')
    .map(([, target]) => target);
  expect(targets).toContain('./dist/bindings/lists/index.js');
  expect(targets.filter((target) => !existsSync(sourceOf(target)))).toEqual([]);
});
