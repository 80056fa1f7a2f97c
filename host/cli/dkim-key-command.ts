/** `qpsmtpd dkim-key`: makes a key that the plugin `dkimsign` signs with, and prints the record for the DNS. RFC 6376 section 3.6. */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { openSearchPath, readConfigDir } from '../config/search-path.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import { HELP_OPTION, printHelp, readArguments, UsageError, type OptionSpec } from './arguments.ts';
import { writePrivateFile } from './private-file.ts';
import { CONFIG_OPTION } from './serve-command.ts';

const DEFAULT_BITS = 2_048;
/** Receivers need not take larger ones, and refuse those below 1,024. RFC 8301 section 3.2. */
const MAX_BITS = 4_096;
/** Octets of a string in a TXT record. RFC 1035 section 3.3. */
const MAX_STRING = 255;

export const DKIM_KEY_OPTIONS: readonly OptionSpec[] = [
  CONFIG_OPTION,
  { name: 'type', value: 'TYPE', help: 'rsa or ed25519 (default: rsa, which every receiver knows)' },
  { name: 'bits', value: 'N', help: `size of an RSA key, up to ${MAX_BITS} (default: ${DEFAULT_BITS})` },
  HELP_OPTION,
];

const DKIM_KEY_HELP = printHelp(
  'qpsmtpd dkim-key DOMAIN [SELECTOR] [--config DIR]',
  'Makes a key for DKIM signatures of DOMAIN in the folder dkim/DOMAIN of the configuration, and prints its record for the DNS.\n' +
    'A domain that has a key keeps it: the new one is put beside it, for a change of keys. SELECTOR is YEARMONTH if it is left out.',
  DKIM_KEY_OPTIONS,
);

export async function runDkimKey(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, DKIM_KEY_OPTIONS);
  if (given.has('help')) {
    terminal.out(DKIM_KEY_HELP);
    return 0;
  }
  const [name, selectorGiven, ...rest] = given.positionals;
  if (name === undefined || rest.length > 0)
    throw new UsageError('give a domain, and a selector if you like');
  const domain = readDomain(name);
  const type = readType(given.text('type') ?? 'rsa');
  const bits = given.count('bits', 1_024, MAX_BITS) ?? DEFAULT_BITS;
  const selector = readSelector(selectorGiven ?? usualSelector(type));
  const [configuration = '.'] = openSearchPath(readConfigDir(given.text('config')));
  const folder = join(configuration, 'dkim', domain);
  const isFirst = !existsSync(join(folder, 'selector')) && !existsSync(join(folder, 'private'));
  const keyFile = isFirst ? 'private' : `private-${selector}`;
  refuseExisting(join(folder, keyFile));
  const pair =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writePrivateFile(join(folder, keyFile), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  if (isFirst) writePrivateFile(join(folder, 'selector'), `${selector}\n`);
  for (const line of introduce({ folder, domain, selector, keyFile, isFirst }, pair.publicKey))
    terminal.out(line);
  return 0;
}

function readDomain(text: string): string {
  const domain = canonicalDomain(text);
  if (domain !== undefined && /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+$/.test(domain)) return domain;
  throw new UsageError(`"${text}" is no domain`);
}

function readSelector(text: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(text)) return text;
  throw new UsageError(`"${text}" is no selector: letters, digits and hyphens`);
}

function readType(text: string): 'rsa' | 'ed25519' {
  if (text === 'rsa' || text === 'ed25519') return text;
  throw new UsageError(`--type: "${text}" is neither rsa nor ed25519`);
}

/** `202611`, and `202611e` for Ed25519, as each selector has one key. */
function usualSelector(type: 'rsa' | 'ed25519'): string {
  const month = new Date().toISOString().slice(0, 7).replace('-', '');
  return type === 'rsa' ? month : `${month}e`;
}

function refuseExisting(file: string): void {
  if (!existsSync(file)) return;
  throw new QpsmtpdError(
    'Q_USAGE',
    `${file} exists: messages may be on their way with its signature (give another selector)`,
  );
}

interface MadeKey {
  readonly folder: string;
  readonly domain: string;
  readonly selector: string;
  readonly keyFile: string;
  readonly isFirst: boolean;
}

function introduce(
  { folder, domain, selector, keyFile, isFirst }: MadeKey,
  publicKey: KeyObject,
): readonly string[] {
  const next = isFirst
    ? ['and load the plugin dkimsign']
    : [
        `and then, to sign with this key as well, add this line to ${join(folder, 'selector')};`,
        'to sign with it alone, put the line in the place of the old one, and leave the old record in the DNS for a week',
        `  ${selector} ${keyFile}`,
      ];
  return [
    join(folder, keyFile),
    'the key; the user the daemon runs as must be able to read it, and nobody else',
    '',
    'put this record into the DNS,',
    ...printRecord(`${selector}._domainkey.${domain}.`, keyRecord(publicKey)),
    '',
    ...next,
  ];
}

/** RFC 6376 section 3.6.1; RFC 8463 section 4. */
function keyRecord(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  if (publicKey.asymmetricKeyType === 'ed25519')
    return `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`;
  return `v=DKIM1; k=rsa; p=${der.toString('base64')}`;
}

/** As a line of a zone file. */
function printRecord(name: string, text: string): readonly string[] {
  const strings = text.match(new RegExp(`.{1,${MAX_STRING}}`, 'g')) ?? [];
  return [`  ${name} IN TXT (`, ...strings.map((each) => `    "${each}"`), '  )'];
}
