import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The project's root: the nearest folder above this module that holds a package.json. */
export const ROOT = findRoot(import.meta.dirname);

/** Scripts, configurations, references and the Perl plugin: the data of this folder in the source tree. */
export const DATA = join(ROOT, 'test', 'parity');

export const SCRIPTS = join(DATA, 'scripts');
export const CONFIGURATIONS = join(DATA, 'conf');
export const DIALOGUES = join(DATA, 'golden', '1.00');
export const MAILS = join(DATA, 'golden', 'mail');
export const OLD_DIALOGUES = join(DATA, 'golden', '0.94');
/** What each edition of the Perl daemon answered, cell by cell. */
export const MATRICES = {
  '0.94': join(DATA, 'golden', 'matrix', '0.94.txt'),
  '1.00': join(DATA, 'golden', 'matrix', '1.00.txt'),
};
/** The zones of the cases that ask the DNS. */
export const ZONES = join(DATA, 'zones', 'dnsmasq.conf');
export const PERL_MODULES = join(DATA, 'perl');
export const PERL_PLUGINS = join(DATA, 'plugins', 'perl');
export const DIFFERENCES = join(ROOT, 'docs', 'differences.md');

/** What `npm run build` and `npm run build:tools` leave behind. */
export const DAEMON = join(ROOT, 'dist', 'host', 'cli', 'qpsmtpd.js');
export const BUILT_PLUGINS = join(ROOT, 'dist', 'plugins');
export const PROBE_PLUGINS = join(ROOT, 'build', 'test', 'parity', 'plugins');

function findRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const above = dirname(from);
  if (above === from) throw new Error(`no package.json above ${import.meta.dirname}`);
  return findRoot(above);
}
