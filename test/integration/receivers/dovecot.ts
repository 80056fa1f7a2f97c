/** Dovecot's LMTP server (RFC 2033), installed: on TCP and on a Unix socket, a Maildir for each recipient. */

import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder, startReceiver, type Receiver } from './receiver.ts';
import { freePort } from '../../free-port.ts';

export interface DovecotOptions {
  /** PEM files: STARTTLS is offered with them. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Users there are, by their addresses; without it, every address is one. */
  readonly users?: readonly string[];
  /** Further lines of dovecot.conf, which win over those below. */
  readonly settings?: readonly string[];
}

export function missingDovecot(): string | undefined {
  if (!existsSync('/usr/lib/dovecot/lmtp'))
    return 'Dovecot is missing (apt-get install dovecot-core dovecot-lmtpd)';
  return process.getuid?.() === 0 ? undefined : 'has to be started as root';
}

export async function startDovecot(options: DovecotOptions = {}): Promise<Receiver> {
  const folder = scratchFolder('dovecot');
  const port = await freePort();
  const mailboxes = join(folder, 'mailboxes');
  mkdirSync(mailboxes);
  const [uid, gid] = ['-u', '-g'].map((option) =>
    Number(execFileSync('id', [option, 'dovecot'], { encoding: 'utf8' })),
  );
  chownSync(mailboxes, uid!, gid!);
  const config = join(folder, 'dovecot.conf');
  const socket = join(folder, 'lmtp');
  writeFileSync(join(folder, 'users'), (options.users ?? []).map((user) => `${user}:::::::\n`).join(''));
  writeFileSync(config, configuration({ folder, port, socket, mailboxes }, options));
  return startReceiver({
    program: '/usr/sbin/dovecot',
    words: ['-F', '-c', config],
    folder,
    port,
    socket,
    mailboxes,
    logFile: join(folder, 'log'),
    // What LMTP acknowledges is in the mailbox.
    isBusy: () => Promise.resolve(false),
  });
}

function configuration(
  { folder, port, socket, mailboxes }: { folder: string; port: number; socket: string; mailboxes: string },
  { tls, users, settings = [] }: DovecotOptions,
): string {
  const facts = `uid=dovecot gid=dovecot home=${mailboxes}/%u`;
  return `
protocols = lmtp
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
mail_location = maildir:~/Maildir
auth_mechanisms = plain
hostname = dovecot.test
mail_fsync = always
userdb {
  ${
    users === undefined
      ? `driver = static\n  args = ${facts} allow_all_users=yes`
      : `driver = passwd-file\n  args = username_format=%u ${folder}/users\n  override_fields = ${facts}`
  }
}
passdb {
  driver = static
  args = nopassword=y
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
  unix_listener ${socket} {
    mode = 0666
  }
}
service stats {
  client_limit = 1000
}
${tls === undefined ? 'ssl = no' : `ssl = yes\nssl_cert = <${tls.cert}\nssl_key = <${tls.key}`}
${settings.join('\n')}
`;
}
