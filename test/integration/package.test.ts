/** The package as users get it: packed, installed from the registry's dependencies, and run from there. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

let folder: string;
let installed: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-package-'));
  const npm = (...words: string[]): string => execFileSync('npm', words, { cwd: folder, encoding: 'utf8' });
  const packed = JSON.parse(npm('pack', ROOT, '--ignore-scripts', '--json')) as [{ filename: string }];
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  npm('install', `./${packed[0].filename}`, '--no-audit', '--no-fund');
  installed = join(folder, 'node_modules/qpsmtpd');
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const versionIn = (manifest: string): string =>
  (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;

test('brings the native modules that the lock file names, which are those that were tested', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  for (const name of ['lmdb', 'msgpackr-extract']) {
    const version = versionIn(join(folder, 'node_modules', name, 'package.json'));
    expect(`${name} ${version}`).toBe(`${name} ${packages[`node_modules/${name}`]?.version}`);
  }
});

test('has neither source maps without sources nor tests', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => /\.map$|\.test\.|(^|\/)test\//.test(file))).toEqual([]);
  const pointing = files.filter(
    (file) =>
      file.endsWith('.js') && readFileSync(join(installed, file), 'utf8').includes('sourceMappingURL'),
  );
  expect(pointing).toEqual([]);
});

test('has nothing left to build: npm runs `prepare` in it, for `npm link`, without a compiler', () => {
  const { status, stderr } = spawnSync('npm', ['run', 'prepare'], { cwd: installed, encoding: 'utf8' });
  expect(`${status} ${stderr}`).toMatch(/^0 /);
});

/** `import()` has a parser that chokes on it, `const` another, and 18 reads everything and then misses a function. */
describe.each(['0.12', '12', '18'])('on Node %s', (version) => {
  let node: string;
  beforeAll(() => {
    const own = join(folder, `node-${version}`);
    mkdirSync(own);
    writeFileSync(join(own, 'package.json'), '{ "private": true }');
    execFileSync('npm', ['install', `node@${version}`, '--no-audit', '--no-fund'], { cwd: own });
    node = join(own, 'node_modules/node/bin/node');
  }, 300_000);

  test.each(['qpsmtpd', 'qpsmtpd-forkserver', 'qpsmtpd-prefork'])('%s says which it needs', (program) => {
    const link = join(folder, 'node_modules/.bin', program);
    const { status, stdout, stderr } = spawnSync(node, [link, '--help'], { encoding: 'utf8' });
    expect(stderr).toMatch(
      new RegExp(`^qpsmtpd needs Node 20\\.19 or newer, this is ${version}\\.[\\d.]+ \\(.*/node\\)\n$`),
    );
    expect(`${status} ${stdout}`).toBe('69 ');
  });
});

test('loads a plugin that lies anywhere and imports qpsmtpd/plugin, without a link', () => {
  const site = join(folder, 'site');
  const config = join(folder, 'config');
  mkdirSync(site);
  mkdirSync(config);
  const code = `import { definePlugin, z } from 'qpsmtpd/plugin';
import { part } from './part.js';
export default definePlugin({ name: 'elsewhere', about: part, options: z.object({}), hooks: { connect() {} } });\n`;
  writeFileSync(join(site, 'elsewhere.mjs'), code);
  writeFileSync(join(site, 'part.js'), "import 'qpsmtpd/plugin';\nexport const part = 'From elsewhere.';\n");
  writeFileSync(join(site, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(config, 'me'), 'mx.test\n');
  writeFileSync(join(config, 'plugin_dirs'), `${site}\n`);
  writeFileSync(join(config, 'plugins'), `elsewhere\nqueue/maildir ${folder}/Maildir\n`);
  const program = join(folder, 'node_modules/.bin/qpsmtpd');
  const { status, stdout, stderr } = spawnSync(program, ['plugin', 'list', '--config', config], {
    encoding: 'utf8',
  });
  expect(`${status} ${stderr}`).toBe('0 ');
  expect(stdout).toContain('elsewhere');
});
