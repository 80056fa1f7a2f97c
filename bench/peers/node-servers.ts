/** Peers on Node: nodemailer's smtp-server and Haraka. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACCEPTED_DOMAIN } from '../load/plan.ts';
import { BENCH } from '../places.ts';
import { installNpm } from './install.ts';
import type { Peer } from './peer.ts';

const SMTP_SERVER_VERSION = '3.21.6';
const HARAKA_VERSION = '3.3.4';

export const SMTP_SERVER: Peer = {
  name: 'smtp-server',
  label: "nodemailer's smtp-server",
  kind: 'peer',
  offers: ['plain', 'tls'],
  settings: [
    'AUTH and reverse lookup off, STARTTLS off except for the TLS workload, no logger, the stream of each message drained',
    'it greets 100 ms after the connection, whatever it is told: where each message has a connection of its own it gets 500 sessions instead of 20, so that it is busy and not waiting',
  ],
  saturatedBy: 500,
  async prepare({ installs }) {
    await installNpm(installs, 'smtp-server', SMTP_SERVER_VERSION);
    return SMTP_SERVER_VERSION;
  },
  launch({ installs, folder, node, key, cert }, need, port) {
    const entry = join(
      installs,
      `smtp-server-${SMTP_SERVER_VERSION}`,
      'node_modules',
      'smtp-server',
      'dist',
      'esm',
      'smtp-server.js',
    );
    return {
      program: node,
      args: [
        join(BENCH, 'peers', 'programs', 'smtp-server.mjs'),
        ...[entry, String(port), ACCEPTED_DOMAIN],
        ...(need === 'tls' ? [key, cert] : []),
      ],
      folder,
      log: join(folder, 'log'),
      port,
    };
  },
};

/** The shortest plugin that accepts: Haraka's own pair looks for a missing file at each MAIL, which no site would keep. */
const HARAKA_PLUGIN = `'use strict';
exports.hook_lookup_rdns = (next) => next(OK, 'localhost');
exports.hook_mail = (next) => next(OK);
exports.hook_rcpt = (next, connection, params) =>
  params[0].host === '${ACCEPTED_DOMAIN}' ? next(OK) : next(DENY, 'not here');
exports.hook_queue = (next) => next(OK);
`;

export const HARAKA: Peer = {
  name: 'haraka',
  label: 'Haraka',
  kind: 'peer',
  offers: ['plain', 'tls'],
  settings: [
    'nodes=0 (one process, no cluster), log level warn, messages kept in memory',
    'one plugin of four lines: reverse lookup answered at once, recipients of one domain accepted, message discarded',
  ],
  async prepare({ installs }) {
    await installNpm(installs, 'Haraka', HARAKA_VERSION);
    return HARAKA_VERSION;
  },
  launch({ installs, folder, node, key, cert }, need, port) {
    const config = join(folder, 'config');
    mkdirSync(config, { recursive: true });
    mkdirSync(join(folder, 'plugins'), { recursive: true });
    writeFileSync(join(folder, 'plugins', 'bench.js'), HARAKA_PLUGIN);
    const files = {
      'smtp.ini': `listen=127.0.0.1:${port}\nnodes=0\n`,
      'log.ini': '[main]\nlevel=warn\n',
      plugins: `${need === 'tls' ? 'tls\n' : ''}bench\n`,
      me: 'mx.example.test\n',
      'tls.ini': `key=${key}\ncert=${cert}\n`,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), text);
    const home = join(installs, `Haraka-${HARAKA_VERSION}`, 'node_modules', 'Haraka');
    if (need === 'tls') {
      // Otherwise it computes parameters of its own for a minute after the start, beside what is measured.
      const args = ['genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048'];
      writeFileSync(join(config, 'dhparams.pem'), execFileSync('openssl', args, { stdio: 'pipe' }));
    }
    // Without this one it throws at the first connection.
    copyFileSync(join(home, 'config', 'connection.ini'), join(config, 'connection.ini'));
    return {
      program: node,
      args: [join(home, 'bin', 'haraka'), '-c', folder],
      folder,
      log: join(folder, 'log'),
      port,
    };
  },
};
