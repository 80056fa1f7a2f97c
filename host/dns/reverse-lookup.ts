/** Finds the name of a client's address in the DNS, for the greeting, Received and the plugins. */

import { Resolver as NodeResolver } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import type { DnsAnswer, Resolver } from '../../bindings/plugin/resolver.ts';
import { failedAnswer } from './answer-limit.ts';

/** What qpsmtpd gives its resolver. */
const TIMEOUT_MS = 5_000;
/** How long an answer is kept; names of addresses hardly ever change. */
const KEEP_MS = 300_000;
const KEPT_NAMES = 10_000;

export interface ReverseLookup {
  /** The name, `undefined` if there is none. Synchronous where no question needs to be asked. */
  nameOf(address: string): string | undefined | Promise<string | undefined>;
}

/** Never asks: for sites without a resolver, tests and measurements. */
export const noReverseLookup: ReverseLookup = { nameOf: () => undefined };

interface KeptName {
  readonly name: string | undefined;
  readonly until: number;
}

export class DnsReverseLookup implements ReverseLookup {
  readonly #dns: Pick<Resolver, 'reverse'>;
  readonly #kept = new Map<string, KeptName>();
  readonly #asked = new Map<string, Promise<string | undefined>>();

  constructor(dns: Pick<Resolver, 'reverse'> = new HostsAndDns()) {
    this.#dns = dns;
  }

  nameOf(address: string): string | undefined | Promise<string | undefined> {
    if (isLoopback(address)) return undefined;
    const kept = this.#kept.get(address);
    if (kept !== undefined && kept.until > performance.now()) return kept.name;
    const asked = this.#asked.get(address);
    if (asked !== undefined) return asked;
    const answer = this.#ask(address);
    this.#asked.set(address, answer);
    return answer;
  }

  async #ask(address: string): Promise<string | undefined> {
    const answer = await this.#dns.reverse(address);
    const first = answer.status === 'found' ? answer.records[0] : undefined;
    const name = first === undefined || !isHostName(first) ? undefined : first;
    this.#asked.delete(address);
    if (this.#kept.size >= KEPT_NAMES) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(address, { name, until: performance.now() + KEEP_MS });
    return name;
  }
}

/** Names of addresses as the system knows them, `/etc/hosts` before the DNS. */
class HostsAndDns implements Pick<Resolver, 'reverse'> {
  readonly #resolver = new NodeResolver({ timeout: TIMEOUT_MS, tries: 1 });

  async reverse(address: string): Promise<DnsAnswer<string>> {
    try {
      const records = await this.#resolver.reverse(address);
      return { status: 'found', records, isSecure: false, canonicalName: address };
    } catch (cause) {
      return failedAnswer(address, String(cause));
    }
  }
}

/** The names of an address, from the DNS alone. Rejects with the error of the system. */
export const reverseNames = async (address: string): Promise<readonly string[]> =>
  new NodeResolver({ timeout: TIMEOUT_MS, tries: 1 }).reverse(address);

/** The zone of the loopback network is nobody's business but ours. RFC 6761 section 6.1. */
const isLoopback = (address: string): boolean =>
  isIPv4(address) ? address.startsWith('127.') : address === '::1';

/** A PTR record may hold any octets; what goes into replies and header fields must be a host name. */
const isHostName = (name: string): boolean =>
  /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$/.test(name) && name.length <= 255;
