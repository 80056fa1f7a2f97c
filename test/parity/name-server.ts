import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';
import { ZONES } from './places.ts';

const PROGRAMS = ['/usr/sbin/dnsmasq', '/usr/local/sbin/dnsmasq'];

export const NAME_SERVER_REMEDY = 'apt-get install --no-install-recommends dnsmasq-base';

/** True if the cases that ask the DNS can be played. */
export const hasNameServer = (): boolean => PROGRAMS.some((program) => existsSync(program));

/** Starts a name server that knows the zones of this folder and nothing else, on loopback. */
export async function startNameServer(root: string): Promise<RunningDaemon> {
  const program = PROGRAMS.find((each) => existsSync(each));
  if (program === undefined) throw new Error(`dnsmasq is not installed; ${NAME_SERVER_REMEDY}`);
  const port = await freePort();
  return startDaemon({
    name: 'dnsmasq',
    program,
    words: [
      '--keep-in-foreground',
      `--conf-file=${ZONES}`,
      `--port=${port}`,
      '--listen-address=127.0.0.1',
      '--pid-file=',
      '--log-facility=-',
      // It would give up root's rights, and with them those to read the zones.
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ],
    environment: { PATH: '/usr/sbin:/usr/bin:/bin' },
    directory: root,
    port,
    log: join(root, 'dnsmasq.log'),
  });
}
