import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeVersion, filesOf, importsOwnPackage } from '../../host/hooks/code-version.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'code-'));
  mkdirSync(join(root, 'lib'));
  write('main.js', "import a from './lib/a.js';\nexport * from \"./lib/b.js\";\nimport 'qpsmtpd/plugin';");
  write('lib/a.js', "const c = await import('./c.js'); import '../main.js';");
  write('lib/b.js', '');
  write('lib/c.js', '');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (file: string, text: string): void => writeFileSync(join(root, file), text);

test('a module is its file and what relative imports lead to, circles included', () => {
  expect(filesOf(join(root, 'main.js')).map((file) => file.slice(root.length + 1))).toEqual([
    'main.js',
    'lib/a.js',
    'lib/b.js',
    'lib/c.js',
  ]);
});

test('its version changes with each of the files, and with nothing else', () => {
  const main = join(root, 'main.js');
  const versions = new Set([codeVersion(main)]);
  write('other.js', 'x');
  expect(codeVersion(main)).toBe([...versions][0]);
  for (const [index, file] of ['main.js', 'lib/a.js', 'lib/c.js'].entries()) {
    utimesSync(join(root, file), index, index);
    versions.add(codeVersion(main));
  }
  rmSync(join(root, 'lib/b.js'));
  versions.add(codeVersion(main));
  expect(versions.size).toBe(5);
});

test('an import of this package is seen in any of the files, and nothing else is taken for one', () => {
  expect(importsOwnPackage(join(root, 'main.js'))).toBe(true);
  expect(importsOwnPackage(join(root, 'lib/b.js'))).toBe(false);
  write(
    'lib/b.js',
    "import x from 'qpsmtpd-plugin-x'; // from \"qpsmtpd/plugin\nconst s = 'qpsmtpd/plugin';",
  );
  expect(importsOwnPackage(join(root, 'lib/b.js'))).toBe(false);
  write('lib/b.js', 'const api = await import("qpsmtpd");');
  expect(importsOwnPackage(join(root, 'lib/b.js'))).toBe(true);
});
