import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { version } from '../../host/package/package-root.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MANIFEST = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { version: string };

test('the version is that of the package, from the sources and from what is built of them', () => {
  expect(version).toBe(MANIFEST.version);
  const args = [`${ROOT}/bin/qpsmtpd.cjs`, '--version'];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe(`qpsmtpd ${MANIFEST.version}\n`);
});
