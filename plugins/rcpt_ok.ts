import { definePlugin, dsn, ok } from '../bindings/plugin/index.ts';

/** Accepts recipients at the hosts this server receives mail for, and refuses to relay. Stands last of the rcpt plugins. */
export default definePlugin({
  name: 'rcpt_ok',
  about: 'Accepts recipients in me, rcpthosts and morercpthosts.cdb; refuses all others.',
  hooks({ config }) {
    const moreHosts: HostList = { has: (name) => config.map('morercpthosts', name) !== undefined };
    return {
      rcpt({ immunity }, forwardPath) {
        const host = forwardPath.domain.toLowerCase();
        if (host === '' || host === config.me.toLowerCase()) return accepted;
        // Anyone can write a welcome sender into MAIL: relaying for the name alone would be an open relay.
        if (immunity !== undefined && immunity !== 'whitelisted sender') return accepted;
        if (isListed(host, config.compiled('rcpthosts', compileHosts))) return accepted;
        return isListed(host, moreHosts) ? accepted : dsn.relayingDenied();
      },
    };
  },
});

const accepted = ok();

interface HostList {
  has(name: string): boolean;
}

/** What stands behind the host's name on a line is no part of it. */
const compileHosts = (lines: readonly string[]): HostList =>
  new Set(lines.flatMap((line) => line.trim().toLowerCase().split(/\s/, 1)));

/** `a.b.example` is listed as itself, or below `.b.example` or `.example`. */
function isListed(host: string, hosts: HostList): boolean {
  if (hosts.has(host)) return true;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    if (hosts.has(host.slice(dot))) return true;
  }
  return false;
}
