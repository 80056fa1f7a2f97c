/** The Perl qpsmtpd of Debian, in its two servers of many processes. */

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACCEPTED_DOMAIN } from '../load/plan.ts';
import { requireDebian, requireRoot } from './install.ts';
import { MissingError, type Peer, type Place } from './peer.ts';

const LIBRARY = '/usr/share/perl5/Qpsmtpd/TcpServer.pm';
const PLUGINS = '/usr/share/qpsmtpd/plugins';
const USER = 'qpsmtpd';

const DISCARD = `sub hook_queue { return (OK, 'discarded') }\n`;

async function prepare(): Promise<string> {
  const version = await requireDebian('qpsmtpd');
  requireRoot('qpsmtpd');
  if (!existsSync(LIBRARY)) throw new MissingError(`${LIBRARY} is not there`);
  return version;
}

/**
 * The configuration, and a copy of one module with the reverse lookup off: as shipped every connection asks the DNS,
 * and the option against it is read and then forgotten.
 */
function configure({ folder }: Place): { readonly config: string; readonly library: string } {
  const config = join(folder, 'config');
  const plugins = join(folder, 'plugins');
  const library = join(folder, 'lib');
  for (const path of [config, plugins, join(folder, 'spool'), join(library, 'Qpsmtpd')])
    mkdirSync(path, { recursive: true });
  const module = readFileSync(LIBRARY, 'utf8')
    .replace('if ($no_rdns) {', 'if (1) {')
    .replace('[$ENV{TCPREMOTEIP}]', '[$TCPREMOTEIP]');
  writeFileSync(join(library, 'Qpsmtpd', 'TcpServer.pm'), module);
  writeFileSync(join(plugins, 'queue_discard'), DISCARD);
  const files = {
    me: 'mx.example.test',
    rcpthosts: ACCEPTED_DOMAIN,
    plugins: 'rcpt_ok\nqueue_discard',
    plugin_dirs: `${PLUGINS}\n${plugins}`,
    logging: 'logging/devnull',
    spool_dir: join(folder, 'spool'),
    size_threshold: '10000000',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), `${text}\n`);
  chmodSync(folder, 0o755);
  return { config, library };
}

const SETTINGS = [
  'plugins rcpt_ok and one that discards; logging/devnull; messages kept in memory; limits per address off',
  'a copy of one module has the reverse lookup switched off, which the option for it does not manage: faster than shipped',
];

/** Taint mode, as Debian runs it. */
function args(place: Place, program: string, own: readonly string[]): readonly string[] {
  const { library } = configure(place);
  return ['-T', `-I${library}`, program, ...own];
}

function launch(place: Place, program: string, own: readonly string[], port: number) {
  return {
    program: 'perl',
    args: args(place, program, own),
    folder: place.folder,
    environment: { QPSMTPD_CONFIG: join(place.folder, 'config'), TZ: 'UTC' },
    log: join(place.folder, 'log'),
    port,
  };
}

export const PERL_FORKSERVER: Peer = {
  name: 'perl-forkserver',
  label: 'Perl qpsmtpd, forkserver',
  kind: 'peer',
  offers: ['plain'],
  settings: [...SETTINGS, 'a process per connection, up to 400'],
  maxIdle: 100,
  prepare,
  launch: (place, _need, port) =>
    launch(
      place,
      '/usr/bin/qpsmtpd-forkserver',
      ['-l', '127.0.0.1', '-p', String(port), '-u', USER, '-c', '400', '-m', '400'],
      port,
    ),
};

export const PERL_PREFORK: Peer = {
  name: 'perl-prefork',
  label: 'Perl qpsmtpd, prefork',
  kind: 'peer',
  offers: ['plain'],
  settings: [...SETTINGS, '25 idle processes, up to 30 in all (120 for idle sessions)'],
  maxIdle: 100,
  prepare,
  launch: (place, _need, port) =>
    launch(
      place,
      '/usr/bin/qpsmtpd-prefork',
      [
        ...['--listen-address', '127.0.0.1', '--port', String(port), '--user', USER, '--max-from-ip', '0'],
        ...['--children', '120', '--idle-children', '25', '--quiet'],
      ],
      port,
    ),
};
