/** Python's asynchronous SMTP server, Debian's package. */

import { join } from 'node:path';
import { ACCEPTED_DOMAIN } from '../load/plan.ts';
import { BENCH } from '../places.ts';
import { requireDebian } from './install.ts';
import type { Peer } from './peer.ts';

/** Debian's own interpreter: another one does not see Debian's packages. */
const PYTHON = '/usr/bin/python3';

export const AIOSMTPD: Peer = {
  name: 'aiosmtpd',
  label: 'aiosmtpd (Python)',
  kind: 'peer',
  offers: ['plain', 'tls'],
  settings: [
    'on the plain asyncio loop without a controller thread; one handler that accepts one domain and discards',
  ],
  prepare: () => requireDebian('python3-aiosmtpd'),
  launch: ({ folder, key, cert }, need, port) => ({
    program: PYTHON,
    args: [
      join(BENCH, 'peers', 'programs', 'aiosmtpd-sink.py'),
      ...[String(port), ACCEPTED_DOMAIN],
      ...(need === 'tls' ? [key, cert] : []),
    ],
    folder,
    log: join(folder, 'log'),
    port,
  }),
};
