/** Finds the name of a client's address, in the file `hosts` and in the DNS, for the greeting, Received and the plugins. */

import { isIPv4 } from 'node:net';
import type { DnsAnswer, Resolver } from '../../bindings/plugin/resolver.ts';
import { canonicalIpAddress } from '../../bindings/lists/client-ranges.ts';
import { isLoopback } from './server-addresses.ts';
import { SystemFile } from './system-file.ts';

export interface ReverseLookup {
  /** The name, `undefined` if there is none. Synchronous where no question needs to be asked. */
  nameOf(address: string): string | undefined | Promise<string | undefined>;
}

/** Never asks: for sites without a resolver, tests and measurements. */
export const noReverseLookup: ReverseLookup = { nameOf: () => undefined };

/** A DNS that perhaps knows an answer without asking. */
type ReverseDns = Pick<Resolver, 'reverse'> & {
  reverseNow?(address: string): DnsAnswer<string> | undefined;
};

/** Names by address, as hosts(5) has them. */
type Hosts = Pick<SystemFile<ReadonlyMap<string, string>>, 'current'>;

/** The file that the system looks into before it asks the DNS. */
export const hostsFile = (path = '/etc/hosts'): Hosts => new SystemFile(path, parseHosts);

export class DnsReverseLookup implements ReverseLookup {
  readonly #dns: ReverseDns;
  readonly #hosts: Hosts | undefined;

  /** Without `hosts` the DNS alone knows names. */
  constructor(dns: ReverseDns, hosts?: Hosts) {
    this.#dns = dns;
    this.#hosts = hosts;
  }

  nameOf(address: string): string | undefined | Promise<string | undefined> {
    // Their zone is nobody's business but ours. RFC 6761 section 6.1.
    if (isLoopback(address)) return undefined;
    const host = this.#hosts?.current.get(address);
    if (host !== undefined) return host;
    const known = this.#dns.reverseNow?.(address);
    return known === undefined ? this.#dns.reverse(address).then(hostNameIn) : hostNameIn(known);
  }
}

/** As Node's `dns.reverse` answers, for programs that are used to it: rejects with its messages. */
export async function reverseNames(
  dns: ReverseDns,
  hosts: Hosts,
  address: string,
): Promise<readonly string[]> {
  const host = hosts.current.get(address);
  if (host !== undefined) return [host];
  const answer = await dns.reverse(address);
  if (answer.status === 'found') return answer.records;
  const code = answer.status === 'failed' ? answer.reason : 'NOTFOUND';
  throw new Error(`getHostByAddr ${code === 'timeout' ? 'ETIMEOUT' : `E${code}`} ${address}`);
}

/** The first name; a PTR record may hold any octets, and what goes into replies and header fields must be a host name. */
function hostNameIn(answer: DnsAnswer<string>): string | undefined {
  const name = answer.status === 'found' ? answer.records[0] : undefined;
  return name !== undefined && isHostName(name) ? name : undefined;
}

/** The first name of the first line with an address. */
function parseHosts(text: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [address = '', name = ''] = line
      .replace(/#.*/, '')
      .trim()
      .split(/[ \t]+/, 2);
    const canonical = isIPv4(address) ? address : canonicalIpAddress(address);
    if (canonical !== undefined && isHostName(name) && !names.has(canonical)) names.set(canonical, name);
  }
  return names;
}

const isHostName = (name: string): boolean =>
  /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$/.test(name) && name.length <= 255;
