/** Postfix, from Debian's package: the sink of its test tools, and its server with its own configuration directory. */

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACCEPTED_DOMAIN } from '../load/plan.ts';
import { requireDebian, requireRoot } from './install.ts';
import type { Launch } from '../server/running-server.ts';
import type { Hop, Peer, Place } from './peer.ts';

const DAEMONS = '/usr/lib/postfix/sbin';
const SINK = ['/usr/sbin/smtp-sink', '/usr/bin/smtp-sink'].find((path) => existsSync(path)) ?? 'smtp-sink';

export const SMTP_SINK: Peer = {
  name: 'smtp-sink',
  label: 'Postfix smtp-sink (C, no server)',
  kind: 'peer',
  offers: ['plain'],
  settings: [
    'discards everything; takes up to 12,000 sessions; a test tool of Postfix that keeps and checks nothing',
  ],
  prepare: () => requireDebian('postfix'),
  launch: ({ folder }, _need, port) => launchSink(folder, port),
};

function launchSink(folder: string, port: number, ...options: string[]): Launch {
  const user = process.getuid?.() === 0 ? ['-u', 'postfix'] : [];
  return {
    program: SINK,
    args: [...user, ...options, '-m', '12000', '-h', 'mx.example.test', `127.0.0.1:${port}`, '1024'],
    folder,
    log: join(folder, 'log'),
    port,
  };
}

/** The sink as the next hop of another server, counting. */
export const SINK_HOP: Hop = {
  launch: ({ folder }, port) => launchSink(folder, port, '-c'),
  account(log) {
    const counts = [...log.matchAll(/sess=\s*(\d+)\s+quit=\s*\d+\s+mesg=\s*(\d+)/g)].at(-1);
    // One session is the probe's that waits for the sink to listen.
    return counts === undefined
      ? 'the sink has counted nothing'
      : `${Number(counts[1]) - 1} connections to the sink for ${counts[2]} messages`;
  },
};

async function prepare(): Promise<string> {
  const version = await requireDebian('postfix');
  requireRoot('Postfix');
  return version;
}

/** What smtpd says about a client decides what becomes of its mail: thrown away at once, or kept in the queue. */
function mainCf({ folder, key, cert }: Place, action: 'DISCARD' | 'HOLD', usesTls: boolean): string {
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
    'myhostname = mx.example.test',
    'mynetworks =',
    'mydestination =',
    `relay_domains = ${ACCEPTED_DOMAIN}`,
    'relay_recipient_maps =',
    'alias_maps =',
    'alias_database =',
    'local_recipient_maps =',
    'default_transport = discard:',
    'relay_transport = discard:',
    'smtpd_peername_lookup = no',
    // Here and no earlier: after such an action at an earlier command no recipient would be refused any more.
    `smtpd_data_restrictions = check_client_access static:${action}`,
    'smtpd_relay_restrictions = reject_unauth_destination',
    'smtpd_delay_reject = yes',
    'smtpd_client_connection_count_limit = 0',
    'smtpd_error_sleep_time = 0',
    'smtpd_hard_error_limit = 100000',
    'smtpd_soft_error_limit = 100000',
    'smtpd_junk_command_limit = 100000',
    'smtpd_recipient_limit = 2000',
    'message_size_limit = 0',
    'mailbox_size_limit = 0',
    'in_flow_delay = 0',
    'default_process_limit = 200',
    'maillog_file =',
    ...(usesTls
      ? [
          'smtpd_tls_security_level = may',
          `smtpd_tls_key_file = ${key}`,
          `smtpd_tls_cert_file = ${cert}`,
          'smtpd_tls_loglevel = 0',
        ]
      : ['smtpd_tls_security_level = none']),
    '',
  ].join('\n');
}

/** The services smtpd and cleanup lean on; none of them in a chroot. */
const masterCf = (port: number): string =>
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
    'scache unix - - n - 1 scache',
    'discard unix - - n - - discard',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    '',
  ].join('\n');

function launch(place: Place, action: 'DISCARD' | 'HOLD', usesTls: boolean, port: number) {
  const { folder } = place;
  const config = join(folder, 'config');
  for (const name of ['config', 'queue', 'data']) mkdirSync(join(folder, name), { recursive: true });
  chmodSync(folder, 0o755);
  const [uid, gid] = ['-u', '-g'].map((option) =>
    Number(execFileSync('id', [option, 'postfix'], { encoding: 'utf8' })),
  );
  chownSync(join(folder, 'data'), uid!, gid!);
  writeFileSync(join(config, 'main.cf'), mainCf(place, action, usesTls));
  writeFileSync(join(config, 'master.cf'), masterCf(port));
  // Makes the directories of the queue; what it says about files elsewhere does not matter here.
  execFileSync('/usr/sbin/postfix', ['-c', config, 'check'], { stdio: 'pipe' });
  return {
    program: join(DAEMONS, 'master'),
    args: ['-c', config, '-d'],
    folder,
    environment: { MAIL_CONFIG: config },
    log: join(folder, 'log'),
    port,
  };
}

export const POSTFIX: Peer = {
  name: 'postfix',
  label: 'Postfix smtpd, DISCARD',
  kind: 'peer',
  offers: ['plain', 'tls'],
  settings: [
    'own configuration directory, no chroot, no lookups of names, no limits per client, delays on errors off, no log',
    'access action DISCARD: the message passes through cleanup into a queue file that is removed unsynced',
  ],
  maxIdle: 100,
  prepare,
  launch: (place, need, port) => launch(place, 'DISCARD', need === 'tls', port),
};

export const POSTFIX_QUEUE: Peer = {
  name: 'postfix-queue',
  label: 'Postfix smtpd, queue',
  kind: 'peer',
  offers: ['durable'],
  settings: [
    'as postfix, with the access action HOLD: the message is synced into its queue and stays there, so that no delivery competes with accepting',
  ],
  prepare,
  launch: (place, _need, port) => launch(place, 'HOLD', false, port),
};
