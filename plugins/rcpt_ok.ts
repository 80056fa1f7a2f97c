import { DomainList, isDomainIn, type DomainNames } from '../bindings/lists/index.ts';
import { definePlugin, dsn, ok } from '../bindings/plugin/index.ts';
import { canonicalDomain, unicodeDomain } from '../bindings/wire/domain-name.ts';

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
    const moreHosts: DomainNames = {
      has: (name) => isInMap(name) || (name.includes('xn--') && isInMap(unicodeDomain(name))),
    };
    // What is wrong with the lists stops the start, and what they say here is kept should they break later.
    const rcptHosts = config.list('rcpthosts', (lines) => new DomainList(lines, { log }));
    moreHosts.has('');
    return {
      rcpt({ immunity }, forwardPath) {
        const host = forwardPath.canonicalDomain;
        if (host === '' || (host !== undefined && host === canonicalDomain(config.me))) return accepted;
        // Anyone can write a welcome sender into MAIL: relaying for the name alone would be an open relay.
        if (immunity !== undefined && immunity !== 'whitelisted sender') return accepted;
        if (host === undefined) return dsn.relayingDenied();
        if (rcptHosts.current.has(host)) return accepted;
        return isDomainIn(host, moreHosts) ? accepted : dsn.relayingDenied();
      },
    };
  },
});

const accepted = ok();
