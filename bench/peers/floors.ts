/** The floors: what any server pays that speaks through these sockets. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { BENCH } from '../places.ts';
import { MissingError, type Hop, type Peer } from './peer.ts';

export const NODE_FLOOR: Peer = {
  name: 'node-floor',
  label: 'floor: bare Node sockets',
  kind: 'floor',
  offers: ['plain', 'tls'],
  settings: [
    "node:net with the 'data' event, ready replies, one write per chunk, content thrown away; keeps and checks nothing",
  ],
  prepare: ({ node }) => Promise.resolve(execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()),
  launch: ({ folder, node, key, cert }, need, port) => ({
    program: node,
    args: [join(BENCH, 'floors', 'node-floor.mjs'), String(port), ...(need === 'tls' ? [key, cert] : [])],
    folder,
    log: join(folder, 'log'),
    port,
  }),
};

export const C_FLOOR: Peer = {
  name: 'c-floor',
  label: 'floor: C and epoll',
  kind: 'floor',
  offers: ['plain'],
  settings: ['one thread, epoll, ready replies, one send per read; compiled with cc -O2; knows no TLS'],
  prepare({ installs }) {
    const args = ['-O2', '-o', join(installs, 'epoll-floor'), join(BENCH, 'floors', 'epoll-floor.c')];
    try {
      execFileSync('cc', args, { stdio: 'pipe' });
    } catch {
      throw new MissingError('there is no C compiler: apt-get install gcc libc6-dev');
    }
    return Promise.resolve(execFileSync('cc', ['-dumpfullversion'], { encoding: 'utf8' }).trim());
  },
  launch: ({ installs, folder }, _need, port) => ({
    program: join(installs, 'epoll-floor'),
    args: [String(port)],
    folder,
    log: join(folder, 'log'),
    port,
  }),
};

/** The same as the next hop of another server: one with CHUNKING, which costs the core it shares with the generator little. */
export const CHUNKING_HOP: Hop = {
  launch: (place, port) => C_FLOOR.launch(place, 'forward', port),
  account(log) {
    const counts = /(\d+) connections, (\d+) messages/.exec(log);
    // One session is the probe's that waits for the responder to listen.
    return counts === null
      ? 'the responder has counted nothing'
      : `${Number(counts[1]) - 1} connections to the responder for ${counts[2]} messages`;
  },
};
