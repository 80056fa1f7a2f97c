/** The DNS as plugins ask it: plain questions over the resolver of the system, others over trusted ones. */

import { Resolver as NodeResolver } from 'node:dns/promises';
import { addressOctets } from '../../bindings/lists/client-ranges.ts';
import type { DnsAnswer, DnsOptions, DnsService, Resolver } from '../../bindings/plugin/resolver.ts';
import { answerWithin, failedAnswer, noSuchName } from './answer-limit.ts';
import { ResolverDns } from './secure-dns.ts';
import { chooseResolvers, parseResolver, type TrustedResolver } from './trusted-resolvers.ts';
import { plainName, reverseName } from '../../bindings/wire/dns-name.ts';

const TIMEOUT_MS = 5_000;
/** One resolver for each time limit that plugins use. */
const MAX_RESOLVERS = 16;

export interface SystemDnsOptions {
  /** Asked for plain questions (`ADDRESS` or `ADDRESS:PORT`); undefined: those of the system. */
  readonly servers?: readonly string[] | undefined;
  /** For `authenticated`. Called once, when that is first used; undefined: those of the system. */
  readonly trustedResolvers?: (() => readonly TrustedResolver[]) | undefined;
}

type Ask<T> = (resolver: NodeResolver) => Promise<readonly T[]>;

export class SystemDns implements DnsService {
  readonly #resolvers = new Map<number, NodeResolver>();
  readonly #options: SystemDnsOptions;
  #authenticated: Resolver | undefined;
  #wire: Resolver | undefined;

  constructor(options: SystemDnsOptions = {}) {
    this.#options = options;
  }

  resolve4: Resolver['resolve4'] = (name, options) => this.#ask(name, options, (node) => node.resolve4(name));
  resolve6: Resolver['resolve6'] = (name, options) => this.#ask(name, options, (node) => node.resolve6(name));
  reverse: Resolver['reverse'] = (address, options) => {
    const octets = addressOctets(address);
    if (octets === undefined) return Promise.resolve(noSuchName(plainName(address)));
    const name = reverseName(octets);
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
  // Node's resolver has no TLSA before version 22.15, and follows aliases instead of naming them.
  tlsa: Resolver['tlsa'] = (name, options) => this.#overWire.tlsa(name, limited(options));
  cname: Resolver['cname'] = (name, options) => this.#overWire.cname(name, limited(options));

  get authenticated(): Resolver {
    const choose = this.#options.trustedResolvers ?? (() => chooseResolvers([], () => false));
    this.#authenticated ??= new ResolverDns(choose(), () => performance.now());
    return this.#authenticated;
  }

  /** The servers of plain questions, asked in a way that Node does not offer. */
  get #overWire(): Resolver {
    if (this.#wire !== undefined) return this.#wire;
    const servers = chooseResolvers((this.#options.servers ?? []).map(parseResolver), () => false);
    const untrusted = servers.map((server) => ({ ...server, isTrusted: false }));
    return (this.#wire = new ResolverDns(untrusted, () => performance.now()));
  }

  #ask<T>(
    asked: string,
    { timeoutMs = TIMEOUT_MS, signal }: DnsOptions = {},
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
    if (this.#options.servers !== undefined) resolver.setServers(this.#options.servers);
    if (this.#resolvers.size < MAX_RESOLVERS) this.#resolvers.set(timeoutMs, resolver);
    return resolver;
  }
}

const limited = ({ timeoutMs = TIMEOUT_MS, signal }: DnsOptions = {}): DnsOptions => ({ timeoutMs, signal });

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
    return failedAnswer(name, code === 'ETIMEOUT' ? 'timeout' : code);
  }
}
