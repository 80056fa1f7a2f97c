/** The servers that are asked about names and addresses, how long, and what is kept of the answers. */

import { MAX_SERVERS, parseResolver, type ResolverAddress } from '../dns/server-addresses.ts';
import { addressRanges, allLines, count, octets, oneOf, seconds, type Setting } from './setting-kinds.ts';

const AT_START = 'start, SIGHUP';

function servers(file: string, about: string, otherwise: string): Setting<readonly ResolverAddress[]> {
  return {
    ...allLines({
      file,
      about,
      takesEffect: AT_START,
      form: '`ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`',
    }),
    otherwise,
    parse(lines) {
      if (lines.length > MAX_SERVERS)
        throw new Error(`${lines.length} servers: ${MAX_SERVERS} are asked at most`);
      return lines.map(({ text }) => parseResolver(text));
    },
    fallback: () => [],
  };
}

const attempts: Setting<number> = count({
  file: 'dns_attempts',
  about: 'How often each DNS server is asked before an answer is given up.',
  takesEffect: AT_START,
  otherwise: 2,
  min: 1,
  max: 5,
});

export const DNS_SETTINGS = {
  dnsServers: servers(
    'dns_servers',
    'DNS servers that are asked, one a line, three at most: resolvers that look up what they do not know. See [DNS](../guide/dns.md).',
    'those of `/etc/resolv.conf`',
  ),
  dnsTimeoutMs: seconds({
    file: 'dns_timeout',
    about: 'Time an answer of the DNS is waited for in all, where a plugin has no limit of its own.',
    takesEffect: AT_START,
    otherwise: 5,
    min: 1,
    max: 60,
  }),
  /** Undefined: as resolv.conf says. */
  dnsAttempts: {
    ...attempts,
    otherwise: '`options attempts:` in `/etc/resolv.conf`, else 2',
    fallback: () => undefined,
  } satisfies Setting<number | undefined> as Setting<number | undefined>,
  dnsCacheOctets: octets({
    file: 'dns_cache',
    about: 'Memory for answers of the DNS in each process; 0 keeps none.',
    takesEffect: AT_START,
    otherwise: 8_388_608,
    min: 0,
    max: 1_073_741_824,
  }),
  dnsClient: oneOf({
    file: 'dns_client',
    about:
      "`node` asks by Node's own resolver, c-ares, which keeps no answers and knows nothing of DNSSEC; for mail routes and TLSA records the own one stays.",
    takesEffect: AT_START,
    values: ['own', 'node'],
  }),
  mxResolvers: servers(
    'mx_resolvers',
    'Resolvers that are asked where mail goes and what TLS has to be there, one a line, three at most.',
    'those of `dns_servers`',
  ),
  /** A host on the way to another resolver could say that DNSSEC vouches for what it made up. */
  mxTrustedResolvers: addressRanges({
    file: 'mx_trusted_resolvers',
    about:
      'Resolvers that are believed about DNSSEC, besides those on loopback: only where nobody can change their answers on the way.',
    takesEffect: AT_START,
  }),
};
