/** The DNS as plugins ask it, over the resolver of the system. */

import { Resolver } from 'node:dns/promises';
import { addressOctets } from '../../bindings/plugin/client-ranges.ts';
import type { Dns, DnsAnswer } from '../../bindings/plugin/system-services.ts';

const TIMEOUT_MS = 5_000;
/** One resolver for each time limit that plugins use. */
const MAX_RESOLVERS = 16;

type Ask<T> = (resolver: Resolver) => Promise<readonly T[]>;

export class SystemDns implements Dns {
  readonly #resolvers = new Map<number, Resolver>();
  readonly #servers: readonly string[] | undefined;

  /** Asks `servers` (`ADDRESS` or `ADDRESS:PORT`) in place of those of the system. */
  constructor(servers?: readonly string[]) {
    this.#servers = servers;
  }

  resolve4: Dns['resolve4'] = (name, options) => this.#ask((resolver) => resolver.resolve4(name), options);
  resolve6: Dns['resolve6'] = (name, options) => this.#ask((resolver) => resolver.resolve6(name), options);
  reverse: Dns['reverse'] = (address, options) => {
    const octets = addressOctets(address);
    if (octets === undefined) return Promise.resolve({ status: 'no such name' });
    return this.#ask((resolver) => resolver.resolvePtr(reverseName(octets)), options);
  };
  txt: Dns['txt'] = (name, options) =>
    this.#ask(
      async (resolver) => (await resolver.resolveTxt(name)).map((strings) => strings.join('')),
      options,
    );
  mx: Dns['mx'] = (name, options) =>
    this.#ask(
      async (resolver) =>
        (await resolver.resolveMx(name)).map(({ exchange, priority }) => ({
          exchange,
          preference: priority,
        })),
      options,
    );

  async #ask<T>(ask: Ask<T>, { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {}): Promise<DnsAnswer<T>> {
    // The resolver's own limit holds for each server; this one holds for the question.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<DnsAnswer<T>>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, { status: 'failed', reason: 'timeout' });
    });
    try {
      return await Promise.race([toAnswer(ask, this.#resolverFor(timeoutMs)), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #resolverFor(timeoutMs: number): Resolver {
    const known = this.#resolvers.get(timeoutMs);
    if (known !== undefined) return known;
    const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
    if (this.#servers !== undefined) resolver.setServers(this.#servers);
    if (this.#resolvers.size < MAX_RESOLVERS) this.#resolvers.set(timeoutMs, resolver);
    return resolver;
  }
}

async function toAnswer<T>(ask: Ask<T>, resolver: Resolver): Promise<DnsAnswer<T>> {
  try {
    const found = await ask(resolver);
    return found.length === 0 ? { status: 'no such record' } : { status: 'found', records: found };
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code ?? cause);
    // What is no name can't be there.
    if (code === 'ENOTFOUND' || code === 'EBADNAME') return { status: 'no such name' };
    if (code === 'ENODATA') return { status: 'no such record' };
    return { status: 'failed', reason: code === 'ETIMEOUT' ? 'timeout' : code };
  }
}

/** `9.2.0.192.in-addr.arpa`, `...8.b.d.0.1.0.0.2.ip6.arpa`. RFC 1035 section 3.5, RFC 3596 section 2.5. */
function reverseName(octets: readonly number[]): string {
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa`;
  const digits = octets.map((octet) => octet.toString(16).padStart(2, '0')).join('');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
