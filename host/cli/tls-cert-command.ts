/** `qpsmtpd tls-cert`: makes a certificate that vouches for itself, where the plugin `tls` looks for one. */

import { existsSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { isIP } from '../../bindings/wire/ip-address.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import { makeSelfSigned } from '../tls/self-signed.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  refusePositionals,
  UsageError,
  type OptionSpec,
} from './arguments.ts';
import { writePrivateFile } from './private-file.ts';

const DEFAULT_DAYS = 825;
const MAX_DAYS = 36_500;
const DAY_MS = 86_400_000;
const CERTIFICATE = 'qpsmtpd-server.crt';
const KEY = 'qpsmtpd-server.key';

export const TLS_CERT_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'name',
    value: 'HOST',
    isRepeatable: true,
    help: "host name or IP address it is for (default: the system's host name)",
  },
  { name: 'out', value: 'DIR', help: 'folder for the two files (default: ./ssl)' },
  { name: 'days', value: 'N', help: `how long it is valid (default: ${DEFAULT_DAYS})` },
  { name: 'force', help: 'overwrite the files if they exist' },
  HELP_OPTION,
];

const TLS_CERT_HELP = printHelp(
  'qpsmtpd tls-cert [--name HOST] [--out DIR]',
  'Makes a key and a certificate that vouches for itself: enough for mail servers, which encrypt without asking for more.',
  TLS_CERT_OPTIONS,
);

export async function runTlsCert(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, TLS_CERT_OPTIONS);
  if (given.has('help')) {
    terminal.out(TLS_CERT_HELP);
    return 0;
  }
  refusePositionals(given);
  const names = readNames(given.has('name') ? given.texts('name') : [hostname()]);
  const days = given.count('days', 1, MAX_DAYS) ?? DEFAULT_DAYS;
  const folder = resolve(given.text('out') ?? 'ssl');
  const certificateFile = join(folder, CERTIFICATE);
  const keyFile = join(folder, KEY);
  if (!given.has('force')) refuseExisting([certificateFile, keyFile]);
  const notBefore = new Date();
  const pair = makeSelfSigned({ names, notBefore, notAfter: new Date(notBefore.getTime() + days * DAY_MS) });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writePrivateFile(keyFile, pair.key);
  writePrivateFile(certificateFile, pair.certificate);
  for (const line of introduce(certificateFile, keyFile, names, days)) terminal.out(line);
  return 0;
}

function readNames(texts: readonly string[]): readonly [string, ...string[]] {
  const [first, ...rest] = texts.map((text) => {
    if (isIP(text) !== 0 || isDnsName(text)) return text.toLowerCase();
    throw new UsageError(`--name: "${text}" is neither a host name nor an IP address`);
  });
  return [first!, ...rest];
}

function refuseExisting(files: readonly string[]): void {
  const existing = files.find((file) => existsSync(file));
  if (existing !== undefined)
    throw new QpsmtpdError(
      'Q_USAGE',
      `${existing} exists (give --force to overwrite it, or --out another folder)`,
    );
}

/** Labels parted by dots, the first of which may be `*`. RFC 6125 section 6.4.3. */
const isDnsName = (text: string): boolean =>
  text.length <= 253 && /^(\*\.)?[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$/.test(text);

function introduce(
  certificate: string,
  key: string,
  names: readonly string[],
  days: number,
): readonly string[] {
  return [
    certificate,
    key,
    `a certificate for ${names.join(', ')}, valid for ${days} days; the user the daemon runs as must be able to read both`,
    '',
    'add this line to the file "plugins" of the configuration:',
    `  tls ${certificate} ${key}`,
  ];
}
