/** Exim, unpacked, as a program that another one starts: it delivers before it exits, into one Maildir. */

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from '../receivers/receiver.ts';
import { missingForUnpacked, overlaySystem } from '../receivers/unpacked-package.ts';

const PACKAGES = ['exim4-base', 'exim4-daemon-light'];

export const missingExim = (): Promise<string | undefined> => missingForUnpacked(PACKAGES);

export interface EximProgram {
  /** Takes Exim's words. */
  readonly path: string;
  readonly mailboxes: string;
  /** What was delivered so far. */
  messages(): string[];
  remove(): void;
}

/** Messages of more than 100 kilooctets are refused. */
export async function eximProgram(): Promise<EximProgram> {
  const folder = scratchFolder('exim-program');
  const system = await overlaySystem(folder, PACKAGES, ['Debian-exim']);
  const mailboxes = join(system.shared, 'mailboxes');
  for (const path of [mailboxes, join(system.shared, 'spool')]) mkdirSync(path);
  writeFileSync(join(system.shared, 'exim.conf'), CONFIGURATION);
  const { program, words } = system.command(
    '/bin/sh',
    '-c',
    'chown -R Debian-exim:Debian-exim /mnt/spool /mnt/mailboxes && exec /usr/sbin/exim4 -C /mnt/exim.conf -odi "$@"',
    'exim4',
  );
  const quoted = [program, ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const path = join(folder, 'exim');
  writeFileSync(path, `#!/bin/sh\nexec ${quoted} "$@"\n`);
  chmodSync(path, 0o755);
  return {
    path,
    mailboxes,
    messages() {
      const inbox = join(mailboxes, 'new');
      return readdirSync(inbox).map((name) => readFileSync(join(inbox, name), 'latin1'));
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const CONFIGURATION = `
primary_hostname = exim.test
spool_directory = /mnt/spool
log_file_path = /mnt/spool/%slog
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
host_lookup =
message_size_limit = 100K

begin routers
box:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  directory = /mnt/mailboxes
  maildir_format
  delivery_date_add = false
  envelope_to_add
  return_path_add
  batch_max = 100
  user = Debian-exim
  mode = 0644
`;
