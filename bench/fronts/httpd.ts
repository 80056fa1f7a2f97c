/** Apache httpd with the MPM event and `contrib/apache/mod_qpsmtpd.c`, as it is measured. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MissingError, type Place } from '../peers/peer.ts';
import { ROOT } from '../places.ts';
import type { Launch } from '../server/running-server.ts';

const MODULES = '/usr/lib/apache2/modules';

/** Builds the module as its README says; returns the path of what httpd loads. */
export function buildModule({ folder }: Place): string {
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(ROOT, 'contrib/apache/mod_qpsmtpd.c'), join(folder, 'mod_qpsmtpd.c'));
  try {
    execFileSync('apxs2', ['-c', 'mod_qpsmtpd.c'], { cwd: folder, stdio: 'pipe' });
  } catch (error) {
    throw new MissingError(
      `mod_qpsmtpd cannot be built (apt-get install apache2 apache2-dev): ${String(error)}`,
    );
  }
  return join(folder, '.libs', 'mod_qpsmtpd.so');
}

export const HTTPD_SETTINGS =
  "Debian's httpd 2.4, MPM event with its defaults, modules authz_core and qpsmtpd alone, one virtual host";

/** httpd that hands connections on its port to the daemon's Unix socket. */
export function launchHttpd({ folder }: Place, module: string, socket: string, port: number): Launch {
  const file = join(folder, 'httpd.conf');
  const lines = [
    `ServerRoot ${folder}`,
    `DefaultRuntimeDir ${folder}`,
    `PidFile ${join(folder, 'httpd.pid')}`,
    `ErrorLog ${join(folder, 'error.log')}`,
    'ServerName localhost',
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    `LoadModule mpm_event_module ${MODULES}/mod_mpm_event.so`,
    `LoadModule authz_core_module ${MODULES}/mod_authz_core.so`,
    `LoadModule qpsmtpd_module ${module}`,
    `Listen 127.0.0.1:${port} smtp`,
    'AcceptFilter smtp none',
    `<VirtualHost 127.0.0.1:${port}>`,
    `QpsmtpdSocket ${socket}`,
    '</VirtualHost>',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return {
    program: '/usr/sbin/apache2',
    args: ['-f', file, '-DFOREGROUND'],
    folder,
    log: join(folder, 'log'),
    port,
  };
}
