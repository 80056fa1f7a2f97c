/** Node's own resolver, c-ares, for sites that want it (`dns_client`): it keeps no answers and knows nothing of DNSSEC. */

import { Resolver as NodeResolver } from 'node:dns/promises';
import type { DnsAnswer, DnsOptions, Resolver } from '../../bindings/plugin/resolver.ts';
import { plainName } from '../../bindings/wire/dns-name.ts';
import { answerWithin, failedAnswer, noSuchName } from './answer-limit.ts';
import { pointerName } from './question.ts';
import { printServer, type ResolverAddress } from './server-addresses.ts';

type Ask<T> = (resolver: NodeResolver) => Promise<readonly T[]>;

/** One resolver for each time limit that plugins use. */
const MAX_RESOLVERS = 16;

export class NodeDns implements Resolver {
  readonly #resolvers = new Map<number, NodeResolver>();
  readonly #servers: readonly string[];
  readonly #timeoutMs: number;
  readonly #other: () => Resolver;

  /** No `servers`: those of the system. `other` is asked what Node cannot ask, or not before version 22. */
  constructor(servers: readonly ResolverAddress[], timeoutMs: number, other: () => Resolver) {
    this.#servers = servers.map(printServer);
    this.#timeoutMs = timeoutMs;
    this.#other = other;
  }

  resolve4: Resolver['resolve4'] = (name, options) => this.#ask(name, options, (node) => node.resolve4(name));
  resolve6: Resolver['resolve6'] = (name, options) => this.#ask(name, options, (node) => node.resolve6(name));
  reverse: Resolver['reverse'] = (address, options) => {
    const name = pointerName(address);
    if (name === undefined) return Promise.resolve(noSuchName(plainName(address)));
    return this.#ask(name, options, (node) => node.resolvePtr(name));
  };
  txt: Resolver['txt'] = (name, options) =>
    this.#ask(name, options, async (node) =>
      (await node.resolveTxt(name)).map((strings) => strings.join('')),
    );
  mx: Resolver['mx'] = (name, options) =>
    this.#ask(name, options, async (node) =>
      (await node.resolveMx(name)).map(({ exchange, priority }) => ({ exchange, preference: priority })),
    );
  tlsa: Resolver['tlsa'] = (name, options) => this.#other().tlsa(name, options);
  cname: Resolver['cname'] = (name, options) => this.#other().cname(name, options);

  #ask<T>(
    asked: string,
    { timeoutMs = this.#timeoutMs, signal }: DnsOptions = {},
    ask: Ask<T>,
  ): Promise<DnsAnswer<T>> {
    const name = plainName(asked);
    // The resolver's own limit holds for each server; this one holds for the question.
    return answerWithin(name, { timeoutMs, signal }, () => toAnswer(name, ask, this.#resolverFor(timeoutMs)));
  }

  #resolverFor(timeoutMs: number): NodeResolver {
    const known = this.#resolvers.get(timeoutMs);
    if (known !== undefined) return known;
    const resolver = new NodeResolver({ timeout: timeoutMs, tries: 1 });
    if (this.#servers.length > 0) resolver.setServers(this.#servers);
    if (this.#resolvers.size < MAX_RESOLVERS) this.#resolvers.set(timeoutMs, resolver);
    return resolver;
  }
}

async function toAnswer<T>(name: string, ask: Ask<T>, resolver: NodeResolver): Promise<DnsAnswer<T>> {
  const facts = { isSecure: false, canonicalName: name };
  try {
    const found = await ask(resolver);
    return found.length === 0
      ? { ...facts, status: 'no such record' }
      : { ...facts, status: 'found', records: found };
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code ?? cause);
    // What is no name can't be there.
    if (code === 'ENOTFOUND' || code === 'EBADNAME') return { ...facts, status: 'no such name' };
    if (code === 'ENODATA') return { ...facts, status: 'no such record' };
    return failedAnswer(
      name,
      code === 'ETIMEOUT' ? 'timeout' : code.replace(/^E(?=SERVFAIL|REFUSED|NOTIMP)/, ''),
    );
  }
}
