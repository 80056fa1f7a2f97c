import { definePlugin, dsn, ok, type Log } from '../bindings/plugin/index.ts';
import { canonicalDomain, canonicalEntry, unicodeDomain } from '../bindings/wire/domain-name.ts';

/** Accepts recipients at the hosts this server receives mail for, and refuses to relay. */
export default definePlugin({
  name: 'rcpt_ok',
  about: 'Accepts recipients in me, rcpthosts and morercpthosts.cdb; refuses all others.',
  // It always decides: plugins further down are never asked about recipients.
  after: [
    'badmailfromto',
    'badrcptto',
    'greylisting',
    'ident/p0f',
    'karma',
    'rcpt_map',
    'rcpt_regexp',
    'relay',
    'whitelist',
  ],
  hooks({ config, log }) {
    const isInMap = (name: string): boolean => config.map('morercpthosts', name) !== undefined;
    // Other programs make the database, and those know nothing of A-labels.
    const moreHosts: HostList = {
      has: (name) => isInMap(name) || (name.includes('xn--') && isInMap(unicodeDomain(name))),
    };
    // What is wrong with the lists stops the start, and what they say here is kept should they break later.
    const rcptHosts = config.list('rcpthosts', (lines) => compileHosts(lines, log));
    moreHosts.has('');
    return {
      rcpt({ immunity }, forwardPath) {
        const host = forwardPath.canonicalDomain;
        if (host === '' || (host !== undefined && host === canonicalDomain(config.me))) return accepted;
        // Anyone can write a welcome sender into MAIL: relaying for the name alone would be an open relay.
        if (immunity !== undefined && immunity !== 'whitelisted sender') return accepted;
        if (host === undefined) return dsn.relayingDenied();
        if (isListed(host, rcptHosts.current)) return accepted;
        return isListed(host, moreHosts) ? accepted : dsn.relayingDenied();
      },
    };
  },
});

const accepted = ok();

interface HostList {
  has(name: string): boolean;
}

/** What follows the host's name on a line is no part of it. */
function compileHosts(lines: readonly string[], log: Pick<Log, 'warn'>): HostList {
  const hosts = new Set<string>();
  for (const line of lines) {
    const host = canonicalEntry(line.trim().split(/\s/, 1)[0]!);
    if (host === undefined) log.warn(`entry \`${line}\` matches nothing: there can be no such domain`);
    else hosts.add(host);
  }
  return hosts;
}

/** `a.b.example` is listed as itself, or below `.b.example` or `.example`. */
function isListed(host: string, hosts: HostList): boolean {
  if (hosts.has(host)) return true;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    if (hosts.has(host.slice(dot))) return true;
  }
  return false;
}
