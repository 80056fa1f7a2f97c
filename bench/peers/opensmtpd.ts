/** OpenSMTPD, from Debian's package, beside Postfix, with which Debian will not have it installed. */

import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ACCEPTED_DOMAIN } from '../load/plan.ts';
import { requireRoot, unpackDebian } from './install.ts';
import { MissingError, type Peer } from './peer.ts';

/**
 * The paths of its files and users are compiled in. So it runs in a file system of its own: the machine's, with its
 * package and users laid on top, seen by nobody else and gone with the process.
 */
const START = `
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
exec chroot "$1/root" /usr/sbin/smtpd -d -f /etc/bench-smtpd.conf -B queue=ram -P mda -P mta
`;

const ACCOUNTS = ['opensmtpd', 'opensmtpq'] as const;
const FIRST_ID = 64_990;

const unpacked = (installs: string): string => join(installs, 'opensmtpd');

export const OPENSMTPD: Peer = {
  name: 'opensmtpd',
  label: 'OpenSMTPD',
  kind: 'peer',
  offers: ['plain'],
  settings: [
    'queue in memory, delivery paused (it has no way to discard: a null queue stalls), one domain accepted, no log, names looked up in the file of hosts only',
    'at most 5 sessions: its listen backlog is 5, and connections that do not fit wait a second for their next try',
  ],
  maxSessions: 5,
  async prepare({ installs }) {
    requireRoot('OpenSMTPD');
    if (!existsSync('/usr/bin/unshare'))
      throw new MissingError('unshare is missing: apt-get install util-linux');
    return unpackDebian(installs, 'opensmtpd', unpacked(installs));
  },
  launch({ installs, folder }, _need, port) {
    const upper = join(folder, 'upper');
    rmSync(upper, { recursive: true, force: true });
    cpSync(unpacked(installs), upper, { recursive: true });
    // A unit for systemd, in a folder that would hide the link to the machine's libraries.
    rmSync(join(upper, 'lib'), { recursive: true, force: true });
    for (const name of [
      'root',
      'work',
      'upper/etc',
      'upper/var/lib/opensmtpd/empty',
      'upper/run',
      'upper/var/spool',
    ]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    for (const name of ['passwd', 'group']) copyFileSync(`/etc/${name}`, join(upper, 'etc', name));
    ACCOUNTS.forEach((name, index) => {
      const id = FIRST_ID + index;
      appendFileSync(
        join(upper, 'etc', 'passwd'),
        `${name}:x:${id}:${id}::/var/lib/opensmtpd/empty:/bin/false\n`,
      );
      appendFileSync(join(upper, 'etc', 'group'), `${name}:x:${id}:\n`);
    });
    const configuration = [
      `listen on 127.0.0.1 port ${port} hostname mx.example.test`,
      'action "sink" relay',
      `match from any for domain "${ACCEPTED_DOMAIN}" action "sink"`,
      'smtp max-message-size 64M',
      '',
    ].join('\n');
    writeFileSync(join(upper, 'etc', 'bench-smtpd.conf'), configuration);
    // Names from the file of hosts alone: otherwise every few connections wait for a resolver.
    writeFileSync(join(upper, 'etc', 'resolv.conf'), 'lookup file\n');
    for (const path of [folder, upper, join(upper, 'etc')]) chmodSync(path, 0o755);
    return {
      program: 'unshare',
      args: ['--mount', 'sh', '-c', START, 'sh', folder],
      folder,
      log: join(folder, 'log'),
      port,
    };
  },
};
