/** Private keys that every user of the host can read. */

import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { systemFiles } from '../../host/config/file-system.ts';
import { Certificates } from '../../host/tls/certificates.ts';
import { openKeyWarning } from '../../host/tls/key-pair.ts';
import { DEFAULT_VERSIONS } from '../../host/settings/tls-settings.ts';
import { outletTo } from '../delivery/mail-object.ts';
import { collectingLogger } from '../hooks/plugin-context.ts';
import { CertificateFolder, makePair } from './secure-server.ts';

let folder: CertificateFolder;
let certificate: string;
let key: string;
beforeEach(() => {
  folder = new CertificateFolder();
  chmodSync(folder.path, 0o755);
  [certificate, key] = folder.write('one', makePair('one.test')).split(' ') as [string, string];
});
afterEach(() => folder.remove());

const warning = (path: string): string =>
  `${path}: every user of this host may read or write the private key (chmod o= ${path})`;

test.each([
  [0o600, false],
  [0o640, false],
  [0o644, true],
  [0o602, true],
])('a key of mode %o: warned of %s', (mode, isWarnedOf) => {
  chmodSync(key, mode);
  expect(openKeyWarning(key)).toBe(isWarnedOf ? warning(key) : undefined);
});

test('a directory that others may not enter closes what is in it, also behind a link', () => {
  const closed = join(folder.path, 'archive');
  mkdirSync(closed, { mode: 0o700 });
  chmodSync(key, 0o644);
  const link = join(closed, 'key');
  symlinkSync(key, link);
  expect(openKeyWarning(link)).toBe(warning(link));
  chmodSync(folder.path, 0o750);
  expect(openKeyWarning(key)).toBeUndefined();
  expect(openKeyWarning(join(closed, 'none'))).toBeUndefined();
});

test('the server says so when it reads the key, and again only when it was closed meanwhile', () => {
  chmodSync(key, 0o644);
  const { logger, lines } = collectingLogger(LogLevel.WARN);
  const certificates = new Certificates(
    {
      pairs: [{ certificate, key }],
      clientAuthorities: undefined,
      policy: { versions: DEFAULT_VERSIONS, ciphers: 'HIGH' },
      cipherFile: 'tls_ciphers',
    },
    systemFiles,
    logger.withContext({}),
    () => Date.now(),
  );
  certificates.close();
  expect(lines).toEqual([warning(key)]);
});

test('so does an outlet with a certificate of its own', () => {
  chmodSync(key, 0o644);
  const { logger, lines } = collectingLogger(LogLevel.WARN);
  outletTo([], { tlsFiles: { certificate, key }, log: logger.withContext({}) }).close();
  expect(lines).toEqual([warning(key)]);
});
