/** How the hosts that take mail for other domains are found. */

import type { ResolverAddress } from '../dns/exchange.ts';
import { parseResolver } from '../dns/trusted-resolvers.ts';
import { addressRanges, allLines, type Setting } from './setting-kinds.ts';

const AT_START = 'start, SIGHUP';

const resolvers: Setting<readonly ResolverAddress[]> = {
  ...allLines({
    file: 'mx_resolvers',
    about:
      'Resolvers that are asked where mail goes and what TLS has to be there, one a line, three at most.',
    takesEffect: AT_START,
    form: '`ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`',
  }),
  otherwise: "the system's",
  parse: (lines) => lines.map(({ text }) => parseResolver(text)),
  fallback: () => [],
};

export const MAIL_EXCHANGE_SETTINGS = {
  mxResolvers: resolvers,
  /** A host on the way to another resolver could say that DNSSEC vouches for what it made up. */
  mxTrustedResolvers: addressRanges({
    file: 'mx_trusted_resolvers',
    about:
      'Resolvers that are believed about DNSSEC, besides those on loopback: only where nobody can change their answers on the way.',
    takesEffect: AT_START,
  }),
};
