import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFIGURATIONS } from './places.ts';

/** The owner of what a daemon writes; undefined: the user that runs the comparison. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A folder for one daemon and one case, with its configuration and where its mail lands. */
export interface Scratch {
  readonly folder: string;
  readonly config: string;
  readonly maildir: string;
  readonly log: string;
}

/** Makes the folder under which everything of one run lies; `remove` takes it away. */
export function makeScratchRoot(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'qpsmtpd-parity-'));
  // The Perl daemon has dropped its privileges before it opens anything in here.
  chmodSync(path, 0o711);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Lays the configuration folders over each other in a new folder, and puts its paths in: `@WORK@` is the folder
 * itself, `@CONFIG@` the configuration directory in it.
 */
export function makeScratch(folder: string, layers: readonly string[], owner: Owner | undefined): Scratch {
  const config = join(folder, 'config');
  mkdirSync(folder, { mode: 0o711 });
  mkdirSync(config);
  for (const layer of layers) cpSync(join(CONFIGURATIONS, layer), config, { recursive: true });
  for (const name of readdirSync(config)) {
    const file = join(config, name);
    const text = readFileSync(file, 'latin1').replaceAll('@WORK@', folder).replaceAll('@CONFIG@', config);
    writeFileSync(file, text, 'latin1');
  }
  const maildir = join(folder, 'maildir');
  for (const [path, mode] of [
    [join(folder, 'spool'), 0o700],
    [maildir, 0o755],
  ] as const) {
    mkdirSync(path);
    chmodSync(path, mode);
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  }
  return { folder, config, maildir, log: join(folder, 'daemon.log') };
}

/** Writes a self-signed certificate for `mx.test` where the configurations expect it; needs the openssl command. */
export function makeCertificate({ folder }: Scratch, owner: Owner | undefined): void {
  const directory = join(folder, 'tls');
  mkdirSync(directory);
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=mx.test'];
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  for (const file of [key, cert]) if (owner !== undefined) chownSync(file, owner.uid, owner.gid);
}

/** The end of a daemon's log, for a message about a daemon that failed. */
export function tailOf(log: string, lines: number): string {
  if (!existsSync(log)) return '(no log)';
  return readFileSync(log, 'latin1').trimEnd().split('\n').slice(-lines).join('\n');
}
