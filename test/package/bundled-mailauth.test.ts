/** What keeps mailauth bundled (docs/decisions/0017): its version, the parts of it that are used, and what these bring along. */

import { readFileSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { build, type Metafile } from 'esbuild';
import { beforeAll, expect, test } from 'vitest';

const FOLDER = 'plugins/mailauth';
const FROM_MAILAUTH = /from '(mailauth[^']*)'/g;
/** As scripts/bundle-mailauth.mjs has it. */
const SHARED = ['ipaddr.js', 'tldts'];

const sources = readdirSync(FOLDER)
  .map((name) => `${FOLDER}/${name}`)
  .filter((file) => readFileSync(file, 'utf8').includes("from 'mailauth"));

let metafile: Metafile;
beforeAll(async () => {
  ({ metafile } = await build({
    entryPoints: sources,
    outdir: 'unwritten',
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: SHARED,
    metafile: true,
    logLevel: 'error',
  }));
});

const parsed = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

test('its version is exact, and the one that was tried', () => {
  const { devDependencies, dependencies } = parsed('package.json') as Record<string, Record<string, string>>;
  const { packages } = parsed('package-lock.json') as { packages: Record<string, { version: string }> };
  expect(devDependencies!['mailauth']).toMatch(/^\d+\.\d+\.\d+$/);
  expect(Object.keys(dependencies!)).not.toContain('mailauth');
  expect(packages['node_modules/mailauth']!.version).toBe(devDependencies!['mailauth']);
  expect(parsed('node_modules/mailauth/package.json')['version']).toBe(devDependencies!['mailauth']);
});

test('only parts of it are imported: its main entry needs a newer Node', () => {
  const imports = sources.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(FROM_MAILAUTH)].map(([, name]) => name!),
  );
  expect(imports.length).toBeGreaterThan(2);
  expect(imports.filter((name) => !/^mailauth\/lib\/.+\.js$/.test(name))).toEqual([]);
});

test('nothing of it comes along that needs a newer Node, or that a user would have to install', () => {
  const packages = new Set(
    Object.keys(metafile.inputs).map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]),
  );
  expect(packages).toContain('mailauth');
  expect([...packages]).not.toContain('undici');
  const left = Object.values(metafile.outputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external === true).map(({ path }) => path),
  );
  expect(left.length).toBeGreaterThan(0);
  expect(left.filter((name) => !isBuiltin(name) && !SHARED.includes(name))).toEqual([]);
});

test('what our Node does not satisfy is the packages that are known to do with less', () => {
  const demanding = new Set<string>();
  for (const file of Object.keys(metafile.inputs)) {
    const folder = /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
    if (folder === undefined) continue;
    const { name, engines } = parsed(`${folder}/package.json`) as {
      name: string;
      engines?: { node?: string };
    };
    const needed = Number(/(\d+)/.exec(engines?.node ?? '0')?.[1] ?? 0);
    if (needed > 20) demanding.add(name);
  }
  expect([...demanding]).toEqual(['mailauth']);
});
