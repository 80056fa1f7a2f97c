/** Postfix, installed: smtpd, its queue, and delivery into a Maildir for each recipient of example.test. */

import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { countFiles, scratchFolder, startReceiver, type Receiver } from './receiver.ts';
import { freePort } from '../../free-port.ts';

const DAEMONS = '/usr/lib/postfix/sbin';

export interface PostfixOptions {
  /** PEM files: STARTTLS is offered with them. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Further lines of main.cf, which win over those below: `smtpd_authorized_xclient_hosts = 127.0.0.1`. */
  readonly settings?: readonly string[];
  /** Further lines of master.cf. */
  readonly services?: readonly string[];
}

export function missingPostfix(): string | undefined {
  if (!existsSync('/usr/sbin/postfix')) return 'postfix is missing (apt-get install postfix)';
  return process.getuid?.() === 0 ? undefined : 'has to be started as root';
}

export async function startPostfix(options: PostfixOptions = {}): Promise<Receiver> {
  const folder = scratchFolder('postfix');
  const port = await freePort();
  const config = join(folder, 'config');
  const mailboxes = join(folder, 'mailboxes');
  for (const name of ['config', 'queue', 'data', 'mailboxes']) mkdirSync(join(folder, name));
  const uid = numberOf('-u');
  const gid = numberOf('-g');
  for (const name of ['data', 'mailboxes']) chownSync(join(folder, name), uid, gid);
  writeFileSync(join(config, 'main.cf'), mainCf(folder, { uid, gid }, options));
  writeFileSync(join(config, 'master.cf'), masterCf(port, options));
  // Makes the directories of the queue; what it says about files elsewhere does not matter here.
  execFileSync('/usr/sbin/postfix', ['-c', config, 'check'], { stdio: 'pipe' });
  const queues = ['maildrop', 'incoming', 'active', 'deferred'].map((name) => join(folder, 'queue', name));
  return startReceiver({
    program: join(DAEMONS, 'master'),
    words: ['-c', config, '-d'],
    environment: { MAIL_CONFIG: config },
    folder,
    port,
    mailboxes,
    logFile: join(folder, 'maillog'),
    // Complete queue files can be executed; the others were left by a kill and belong to nobody.
    isBusy: async () => {
      const counts = await Promise.all(queues.map((queue) => countFiles(queue, 0o100)));
      return counts.some((count) => count > 0);
    },
  });
}

const numberOf = (option: string): number =>
  Number(execFileSync('id', [option, 'postfix'], { encoding: 'utf8' }));

function mainCf(folder: string, { uid, gid }: { uid: number; gid: number }, options: PostfixOptions): string {
  const { tls, settings = [] } = options;
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${join(folder, 'queue')}`,
    `data_directory = ${join(folder, 'data')}`,
    `daemon_directory = ${DAEMONS}`,
    'command_directory = /usr/sbin',
    'mail_owner = postfix',
    'setgid_group = postdrop',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'myhostname = postfix.test',
    'mynetworks =',
    'mydestination =',
    'alias_maps =',
    'alias_database =',
    'virtual_mailbox_domains = example.test',
    `virtual_mailbox_base = ${join(folder, 'mailboxes')}`,
    'virtual_mailbox_maps = regexp:{{/^([^@]+)@/ $1/}}',
    `virtual_uid_maps = static:${uid}`,
    `virtual_gid_maps = static:${gid}`,
    `virtual_minimum_uid = ${uid}`,
    'virtual_mailbox_limit = 0',
    'smtpd_peername_lookup = no',
    'smtpd_relay_restrictions = reject_unauth_destination',
    'smtpd_client_connection_count_limit = 0',
    'smtpd_error_sleep_time = 0',
    'message_size_limit = 104857600',
    'in_flow_delay = 0',
    'minimal_backoff_time = 1s',
    'maximal_backoff_time = 2s',
    'queue_run_delay = 1s',
    `maillog_file = ${join(folder, 'maillog')}`,
    `maillog_file_prefixes = ${folder}`,
    ...(tls === undefined
      ? []
      : [
          'smtpd_tls_security_level = may',
          `smtpd_tls_key_file = ${tls.key}`,
          `smtpd_tls_cert_file = ${tls.cert}`,
          'smtpd_tls_received_header = yes',
        ]),
    ...settings,
    '',
  ].join('\n');
}

/** The services that smtpd and the way into a mailbox lean on; none of them in a chroot. */
const masterCf = (port: number, { services = [] }: PostfixOptions): string =>
  [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'verify unix - - n - 1 verify',
    'proxymap unix - - n - - proxymap',
    'anvil unix - - n - 1 anvil',
    'virtual unix - n n - - virtual',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'discard unix - - n - - discard',
    'postlog unix-dgram n - n - 1 postlogd',
    'pickup unix n - n 60 1 pickup',
    ...services,
    '',
  ].join('\n');
