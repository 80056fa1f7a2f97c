/** What the package offers by name: `qpsmtpd/plugins/NAME` for each plugin, whether it is one file or a folder. */

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ModuleKind, ModuleResolutionKind, resolveModuleName, sys, type CompilerOptions } from 'typescript';
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

test.each<[string, CompilerOptions]>([
  ['node16', { module: ModuleKind.Node16, moduleResolution: ModuleResolutionKind.Node16 }],
  ['bundler', { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler }],
])('TypeScript finds the types of every entry with %s', (_, options) => {
  // A package finds itself by its own name as others do.
  const from = resolve('test/package/exports.test.ts');
  const names = Object.keys(exports).filter((key) => !key.includes('*') && key !== './package.json');
  const found = [...names, './plugins/count_unrecognized_commands'].map((key) => {
    const name = key.replace(/^\./, 'qpsmtpd');
    return [key, resolveModuleName(name, from, options, sys).resolvedModule?.resolvedFileName];
  });
  expect(found.length).toBeGreaterThan(10);
  expect(found.filter(([, file]) => file?.endsWith('.d.ts') !== true)).toEqual([]);
});
