/** Exim, unpacked: accepts for example.test and delivers into a Maildir for each recipient. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { countFiles, scratchFolder, startReceiver, type Receiver } from './receiver.ts';
import { missingForUnpacked, overlaySystem } from './unpacked-package.ts';
import { freePort } from '../../free-port.ts';

const PACKAGES = ['exim4-base', 'exim4-daemon-light'];

export interface EximOptions {
  /** PEM files: STARTTLS is offered with them. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Further lines of the main section. */
  readonly settings?: readonly string[];
}

export const missingExim = (): Promise<string | undefined> => missingForUnpacked(PACKAGES);

export async function startExim({ tls, settings = [] }: EximOptions = {}): Promise<Receiver> {
  const folder = scratchFolder('exim');
  const port = await freePort();
  const system = await overlaySystem(folder, PACKAGES, ['Debian-exim']);
  const mailboxes = join(system.shared, 'mailboxes');
  mkdirSync(mailboxes);
  mkdirSync(join(system.shared, 'spool'));
  const tlsLines =
    tls === undefined
      ? ['tls_advertise_hosts =']
      : ['tls_advertise_hosts = *', `tls_certificate = ${tls.cert}`, `tls_privatekey = ${tls.key}`];
  writeFileSync(
    join(system.shared, 'exim.conf'),
    `
primary_hostname = exim.test
spool_directory = /mnt/spool
log_file_path = /mnt/spool/%slog
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = check_rcpt
host_lookup =
rfc1413_hosts =
dsn_advertise_hosts = *
chunking_advertise_hosts = *
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
${[...tlsLines, ...settings].join('\n')}

begin acl
check_rcpt:
  accept domains = example.test
  deny message = relay not permitted

begin routers
boxes:
  driver = accept
  domains = example.test
  transport = boxes

begin transports
boxes:
  driver = appendfile
  directory = /mnt/mailboxes/\${lookup{\$local_part} nwildlsearch{/mnt/users} {\$value}fail}
  maildir_format
  create_directory
  delivery_date_add = false
  envelope_to_add
  return_path_add
  user = Debian-exim
  mode = 0644

begin retry
* * F,1h,10s
`,
  );
  // Exim takes no path that comes from a client; a lookup makes it one of ours.
  writeFileSync(join(system.shared, 'users'), '*: box\n');
  return startReceiver({
    ...system.command(
      '/bin/sh',
      '-c',
      'chown -R Debian-exim:Debian-exim /mnt/spool /mnt/mailboxes && exec /usr/sbin/exim4 -C /mnt/exim.conf -bdf -q10s',
    ),
    folder,
    port,
    mailboxes,
    logFile: join(system.shared, 'spool', 'mainlog'),
    isBusy: async () => (await countFiles(join(system.shared, 'spool', 'input'))) > 0,
  });
}
