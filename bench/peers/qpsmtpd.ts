/** This project's server, in the configurations that are compared. */

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { ACCEPTED_DOMAIN } from '../load/plan.ts';
import { ROOT } from '../places.ts';
import type { Launch } from '../server/running-server.ts';
import { requireDebian } from './install.ts';
import { C_FLOOR, CHUNKING_HOP } from './floors.ts';
import { SINK_HOP } from './postfix.ts';
import { MissingError, type Need, type Peer, type Place } from './peer.ts';

/** A configuration of this server. */
export interface OwnSetup {
  readonly plugins: readonly string[];
  readonly workers?: number;
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * Sample plugins that ask somebody else (DNS, a scanner, a database), write mail, make a client wait on purpose, or do
 * as the machine's load or chance says.
 */
const NOT_SELF_CONTAINED =
  /^(queue\/|logging\/|dns|rhsbl|uribl|resolvable|fcrdns|helo\b|spf|sender_permitted|dkim|dmarc|arc|karma|greylist|virus\/|spamassassin|rspamd|dspam|milter|ident\/|earlytalker|loadcheck|random_error|tls\b|auth\/)/;

/** The lines of the sample configuration that need nothing but this process, with the message thrown away at the end. */
export function samplePlugins(sample = join(ROOT, 'config.sample', 'plugins')): string[] {
  const lines = readFileSync(sample, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !NOT_SELF_CONTAINED.test(line));
  return [...lines, 'queue/discard'];
}

/** Starts this server with a setup. */
export function launchOwn(
  { folder, node, program, key, cert }: Place,
  setup: OwnSetup,
  need: Need,
  port: number,
): Launch {
  const config = join(folder, 'config');
  mkdirSync(config, { recursive: true });
  for (const name of ['badmailfrom', 'badrcptto']) {
    if (existsSync(join(ROOT, 'config.sample', name)))
      cpSync(join(ROOT, 'config.sample', name), join(config, name));
  }
  const files = {
    me: 'mx.example.test',
    rcpthosts: ACCEPTED_DOMAIN,
    spool_dir: join(folder, 'spool'),
    size_threshold: '10000000',
    max_refused_recipients: '0',
    loglevel: '3',
    plugins: [...(need === 'tls' ? [`tls ${cert} ${key}`] : []), ...setup.plugins].join('\n'),
    ...setup.files,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), `${text}\n`);
  const main = join(program, 'host', 'cli', 'qpsmtpd.js');
  const workers = String(setup.workers ?? 1);
  const listen = ['--listen', `tcp://127.0.0.1:${port}`];
  return {
    program: node,
    args: [main, 'serve', '--config', config, ...listen, '--workers', workers, '--user', userInfo().username],
    folder,
    log: join(folder, 'log'),
    port,
  };
}

function version({ program }: Place): Promise<string> {
  const main = join(program, 'host', 'cli', 'qpsmtpd.js');
  if (!existsSync(main)) throw new MissingError(`${main} is not there: npm run build`);
  const manifest = join(dirname(program), 'package.json');
  const text = existsSync(manifest) ? readFileSync(manifest, 'utf8') : '{}';
  return Promise.resolve((JSON.parse(text) as { readonly version?: string }).version ?? 'unknown');
}

const LEAN: OwnSetup = { plugins: ['rcpt_ok', 'queue/discard'] };

export const QPSMTPD: Peer = {
  name: 'qpsmtpd',
  label: 'qpsmtpd for Node',
  kind: 'ours',
  offers: ['plain', 'tls', 'forward'],
  settings: [
    'one worker; plugins rcpt_ok and queue/discard; messages kept in memory and refused recipients not counted, as by the peers; logs errors only; every other setting at its default',
  ],
  prepare: version,
  launch: (place, need, port) => launchOwn(place, LEAN, need, port),
};

export const QPSMTPD_SAMPLE: Peer = {
  name: 'qpsmtpd-sample',
  label: 'qpsmtpd for Node, sample plugins',
  kind: 'ours',
  offers: ['plain'],
  isOnlyFor: ['W1', 'W2', 'W2p'],
  settings: [
    'as qpsmtpd, with the plugins of config.sample that need no outside service and make no client wait, and queue/discard in place of the Maildir',
  ],
  prepare: version,
  launch: (place, need, port) => launchOwn(place, { plugins: samplePlugins() }, need, port),
};

export const QPSMTPD_MAILDIR: Peer = {
  name: 'qpsmtpd-maildir',
  label: 'qpsmtpd for Node, Maildir',
  kind: 'ours',
  offers: ['durable'],
  settings: ['as qpsmtpd, with queue/maildir: the message and its directory are synced before the 250'],
  prepare: version,
  launch: (place, need, port) =>
    launchOwn(place, { plugins: ['rcpt_ok', `queue/maildir ${join(place.folder, 'Maildir')}`] }, need, port),
};

const launchForwarding: Peer['launch'] = (place, need, port) => {
  const queue = `queue/smtp-forward 127.0.0.1 ${place.hopPort} connections 20`;
  return launchOwn(place, { plugins: ['rcpt_ok', queue] }, need, port);
};

export const QPSMTPD_FORWARD: Peer = {
  name: 'qpsmtpd-forward',
  label: 'qpsmtpd for Node, forwarding by DATA',
  kind: 'ours',
  offers: ['forward'],
  settings: [
    'as qpsmtpd, with queue/smtp-forward to smtp-sink, which offers PIPELINING: each message is taken by the sink before the 250',
  ],
  async prepare(place) {
    await requireDebian('postfix');
    return version(place);
  },
  hop: SINK_HOP,
  launch: launchForwarding,
};

export const QPSMTPD_FORWARD_CHUNKS: Peer = {
  name: 'qpsmtpd-forward-bdat',
  label: 'qpsmtpd for Node, forwarding by BDAT',
  kind: 'ours',
  offers: ['forward'],
  settings: [
    'the same, to the responder in C, which offers PIPELINING and CHUNKING as Postfix and Exim do: each message is taken by it before the 250',
  ],
  async prepare(place) {
    await C_FLOOR.prepare(place);
    return version(place);
  },
  hop: CHUNKING_HOP,
  launch: launchForwarding,
};
