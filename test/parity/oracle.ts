import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { findFreePort, startDaemon, type RunningDaemon } from './daemon.ts';
import type { Edition } from './editions.ts';
import { PERL_MODULES, PERL_PLUGINS } from './places.ts';
import type { World } from './world.ts';
import type { Owner, Scratch } from './scratch.ts';

/** A Perl qpsmtpd that can be started. */
export interface Oracle {
  readonly edition: Edition;
  readonly program: string;
  readonly plugins: string;
  /** The folder it must run in; undefined: any. */
  readonly home: string | undefined;
  readonly user: string;
  /** The user its files must belong to, when it is started by root and drops its privileges. */
  readonly owner: Owner | undefined;
}

const DEBIAN_PROGRAM = '/usr/bin/qpsmtpd-forkserver';
const DEBIAN_PLUGINS = '/usr/share/qpsmtpd/plugins';
/** The account that Debian's package creates. */
const DEBIAN_USER = 'qpsmtpd';

/** How to get the oracle, for a message. */
export const ORACLE_REMEDY =
  'apt-get install --no-install-recommends qpsmtpd libnet-ip-perl libio-socket-ssl-perl libcdb-file-perl ' +
  'libmail-dkim-perl libmail-dmarc-perl libmail-spf-perl';

/** Debian's qpsmtpd 0.94, or undefined if it is not installed. */
export function findDebianOracle(): Oracle | undefined {
  if (!existsSync(DEBIAN_PROGRAM)) return undefined;
  return {
    edition: '0.94',
    program: DEBIAN_PROGRAM,
    plugins: DEBIAN_PLUGINS,
    home: undefined,
    ...findAccount(),
  };
}

/** A source tree of qpsmtpd 1.00; throws if the folder is none. */
export function findTreeOracle(tree: string): Oracle {
  const program = join(tree, 'qpsmtpd-forkserver');
  if (!existsSync(program))
    throw new Error(`${tree} is no source tree of qpsmtpd: it has no qpsmtpd-forkserver`);
  return { edition: '1.00', program, plugins: join(tree, 'plugins'), home: tree, ...findAccount() };
}

function findAccount(): Pick<Oracle, 'user' | 'owner'> {
  if (process.getuid?.() !== 0) return { user: userInfo().username, owner: undefined };
  // The daemon does not serve as root; started by root it wants a user to become.
  return { user: DEBIAN_USER, owner: { uid: readId('-u'), gid: readId('-g') } };
}

function readId(option: '-u' | '-g'): number {
  try {
    return Number(
      execFileSync('id', [option, DEBIAN_USER], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    throw new Error(
      `there is no user ${DEBIAN_USER} to run the Perl daemon as; useradd --system ${DEBIAN_USER}`,
    );
  }
}

/** Starts the oracle with a configuration made by `makeScratch`. */
export async function startOracle(
  oracle: Oracle,
  { folder, config, log }: Scratch,
  { client, dnsPort }: World = {},
): Promise<RunningDaemon> {
  writeFileSync(join(config, 'plugin_dirs'), `${oracle.plugins}\n${PERL_PLUGINS}\n`);
  const port = await findFreePort();
  const perl = oracle.home === undefined ? ['-T'] : ['-T', `-I${join(oracle.home, 'lib')}`];
  const limits = ['-c', '40', '-m', '40'];
  return startDaemon({
    name: `qpsmtpd ${oracle.edition}`,
    program: 'perl',
    words: [
      ...perl,
      `-I${PERL_MODULES}`,
      '-MParityWorld',
      oracle.program,
      '-l',
      '127.0.0.1',
      '-p',
      String(port),
      '-u',
      oracle.user,
      ...limits,
    ],
    environment: {
      PATH: '/usr/bin:/bin',
      HOME: folder,
      TZ: 'UTC',
      QPSMTPD_CONFIG: config,
      // The order of the mechanisms in `AUTH ...` comes from a hash.
      PERL_HASH_SEED: '0',
      PERL_PERTURB_KEYS: '0',
      ...(dnsPort !== undefined && { PARITY_DNS: `127.0.0.1:${dnsPort}` }),
      ...(client !== undefined && { PARITY_CLIENT: client.address }),
      ...(client?.name !== undefined && { PARITY_CLIENT_NAME: client.name }),
    },
    directory: oracle.home ?? folder,
    port,
    log,
  });
}
