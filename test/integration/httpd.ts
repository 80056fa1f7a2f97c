/** Apache httpd for a test: virtual hosts of its own on loopback, by the programs of Debian, ended by its pid. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { makePair } from '../tls/secure-server.ts';
import { hasProgram } from './needs.ts';
import { freePort } from '../free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODULES = '/usr/lib/apache2/modules';

export type Mpm = 'event' | 'prefork';

/** A virtual host on a port of its own. */
export interface VirtualHost {
  /** `http` where httpd serves itself; a host that speaks SMTP needs `smtp`, which is what is taken unless given. */
  readonly protocol?: 'http';
  readonly lines: readonly string[];
}

export interface Httpd {
  /** Of the virtual hosts, in their order. */
  readonly ports: readonly number[];
  readonly port: number;
  /** `-k` of httpd. */
  signal(name: string): void;
  /** What it has written to its error log, if anything goes wrong. */
  readonly errorLog: string;
  end(): Promise<void>;
}

export const hasModPerl = existsSync(join(MODULES, 'mod_perl.so')) || process.env['CI'] === 'true';
if (!hasModPerl)
  process.stderr.write('skipped: mod_perl is missing (apt-get install libapache2-mod-perl2)\n');

/** What a file of tests with httpd has: the module, a folder for each test, and what is ended after it. */
export interface ApacheTests {
  /** The lines that load mod_qpsmtpd, which is built once for all tests of the file; none without apxs2. */
  readonly module: readonly string[];
  /** One that httpd's children may walk through. */
  readonly folder: string;
  /** The last one first. */
  readonly ends: (() => unknown)[];
}

/** To be called before any other hook of the file is set. */
export function apacheTests(name: string): ApacheTests {
  const tests = { module: [] as readonly string[], folder: '', ends: [] as (() => unknown)[] };
  const scratch = (purpose: string): string => {
    const folder = mkdtempSync(join(tmpdir(), `qpsmtpd-${purpose}-`));
    chmodSync(folder, 0o755);
    return folder;
  };
  let built: string;
  beforeAll(() => {
    built = scratch('apxs');
    if (hasProgram('apxs2')) tests.module = buildModule(built);
  });
  afterAll(() => rmSync(built, { recursive: true, force: true }));
  beforeEach(() => {
    tests.folder = scratch(name);
  });
  afterEach(async () => {
    for (const end of tests.ends.splice(0).reverse()) await end();
    rmSync(tests.folder, { recursive: true, force: true });
  });
  return tests;
}

/** Builds `contrib/apache/mod_qpsmtpd.c` in a folder; returns the lines that load it. */
function buildModule(folder: string): readonly string[] {
  copyFileSync(join(ROOT, 'contrib/apache/mod_qpsmtpd.c'), join(folder, 'mod_qpsmtpd.c'));
  execFileSync('apxs2', ['-Wc,-Wall', '-c', 'mod_qpsmtpd.c'], { cwd: folder, stdio: 'pipe' });
  return [`LoadModule qpsmtpd_module ${join(folder, '.libs/mod_qpsmtpd.so')}`];
}

export const LOAD_PERL = `LoadModule perl_module ${MODULES}/mod_perl.so`;

export const BY_RELAY: readonly string[] = [
  LOAD_PERL,
  `PerlSwitches -I${join(ROOT, 'contrib/apache')}`,
  'PerlModule Qpsmtpd::Relay',
];

/** Lines of a virtual host with a certificate for mx.example.com, whose files lie in `folder`. */
export function withCertificate(folder: string): readonly string[] {
  const { certificate, key } = makePair('mx.example.com');
  writeFileSync(join(folder, 'mx.crt'), certificate);
  writeFileSync(join(folder, 'mx.key'), key, { mode: 0o600 });
  return [
    'SSLEngine on',
    `SSLCertificateFile ${join(folder, 'mx.crt')}`,
    `SSLCertificateKeyFile ${join(folder, 'mx.key')}`,
  ];
}

/** Starts httpd in a folder of its own below `parent`; it listens soon. */
export async function startHttpd(
  parent: string,
  mpm: Mpm,
  global: readonly string[],
  hosts: readonly VirtualHost[],
): Promise<Httpd> {
  const run = mkdtempSync(join(parent, 'httpd-'));
  chmodSync(run, 0o755);
  const file = join(run, 'httpd.conf');
  const errorLog = join(run, 'error.log');
  const ports: number[] = [];
  const sections: string[] = [];
  for (const { protocol = 'smtp', lines } of hosts) {
    const port = await freePort();
    ports.push(port);
    const [open, close] = [`<VirtualHost 127.0.0.1:${port}>`, '</VirtualHost>'];
    sections.push(`Listen 127.0.0.1:${port} ${protocol}`, open, ...lines, close);
  }
  const head = [
    `ServerRoot ${run}`,
    `DefaultRuntimeDir ${run}`,
    `PidFile ${join(run, 'httpd.pid')}`,
    `ErrorLog ${errorLog}`,
    'ServerName localhost',
    // Started by root it serves as another user, and refuses to serve as root.
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    `LoadModule mpm_${mpm}_module ${MODULES}/mod_mpm_${mpm}.so`,
    ...['authz_core', 'socache_shmcb', 'ssl'].map(
      (name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`,
    ),
    ...global,
    'AcceptFilter smtp none',
  ];
  writeFileSync(file, `${[...head, ...sections].join('\n')}\n`);
  // At its end httpd sends TERM to its whole process group, which must not be ours.
  const child = spawn('apache2', ['-f', file, '-DFOREGROUND'], { stdio: 'ignore', detached: true });
  const ended = once(child, 'close');
  return {
    ports,
    port: ports[0]!,
    errorLog,
    signal: (name) => void execFileSync('apache2', ['-f', file, '-k', name]),
    async end() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
