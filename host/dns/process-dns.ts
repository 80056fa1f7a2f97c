/** The DNS of a process: one resolver for all who ask the same servers, and `services.dns` over it. */

import type { Core } from '../../bindings/core/contract.ts';
import type { DnsAnswer, DnsService, Resolver } from '../../bindings/plugin/resolver.ts';
import type { DnsLog } from './dns-server.ts';
import { SystemFile } from './system-file.ts';
import { NodeDns } from './node-dns.ts';
import {
  judgeServers,
  parseResolvConf,
  type ResolverAddress,
  type SystemServers,
} from './server-addresses.ts';
import { StubResolver, type ServerList } from './stub-resolver.ts';

/** What the settings say about the DNS. */
export interface DnsSettings {
  /** Empty: those of resolv.conf. */
  readonly dnsServers: readonly ResolverAddress[];
  /** For `authenticated`; empty: the same as for everything else. */
  readonly mxResolvers: readonly ResolverAddress[];
  readonly mxTrustedResolvers: { has(address: string): boolean; readonly text: string };
  readonly dnsTimeoutMs: number;
  /** Undefined: as resolv.conf says, or 2. */
  readonly dnsAttempts: number | undefined;
  readonly dnsCacheOctets: number;
  readonly dnsClient: 'own' | 'node';
}

export interface ProcessDnsOptions {
  /** Called with the first question. */
  readonly core: () => Core;
  readonly log: DnsLog;
  /** Undefined: `/etc/resolv.conf`. */
  readonly resolvConf?: string | undefined;
}

const ATTEMPTS = 2;

export class ProcessDns {
  readonly #options: ProcessDnsOptions;
  readonly #system: SystemFile<SystemServers>;
  /** Those that were let go of included, as long as something still asks them. */
  #all: WeakRef<StubResolver>[] = [];
  readonly #resolvers = new Map<string, { readonly resolver: StubResolver; users: number }>();

  #isClosed = false;

  constructor(options: ProcessDnsOptions) {
    this.#options = options;
    this.#system = new SystemFile(options.resolvConf ?? '/etc/resolv.conf', parseResolvConf);
  }

  /** `services.dns` by the settings as they are at the first question. */
  under(settings: () => DnsSettings): ServiceDns {
    return new ServiceDns(settings, this);
  }

  /** A resolver for `servers`, shared by all who want the same; `release` says that it is not needed any more. */
  take(servers: readonly ResolverAddress[], settings: DnsSettings): TakenResolver {
    const { dnsTimeoutMs, dnsAttempts, dnsCacheOctets, mxTrustedResolvers } = settings;
    const key = JSON.stringify([servers, dnsTimeoutMs, dnsAttempts, dnsCacheOctets, mxTrustedResolvers.text]);
    let known = this.#resolvers.get(key);
    if (known === undefined) {
      const resolver = new StubResolver({
        core: this.#options.core(),
        serverList: servers.length === 0 ? this.#systemList(settings) : fixedList(servers, settings),
        timeoutMs: dnsTimeoutMs,
        cacheOctets: dnsCacheOctets,
        log: this.#options.log,
      });
      this.#all = [...this.#all.filter((each) => each.deref() !== undefined), new WeakRef(resolver)];
      if (this.#isClosed) resolver.close();
      this.#resolvers.set(key, (known = { resolver, users: 0 }));
    }
    known.users++;
    const taken = known;
    return {
      resolver: taken.resolver,
      release: () => {
        if (--taken.users === 0 && this.#resolvers.get(key) === taken) this.#resolvers.delete(key);
      },
    };
  }

  /** Questions under way fail, and all later ones. */
  close(): void {
    for (const each of this.#all) each.deref()?.close();
    this.#resolvers.clear();
    this.#isClosed = true;
  }

  /** The same object as long as resolv.conf is the same. */
  #systemList(settings: DnsSettings): () => ServerList {
    let known = this.#system.current;
    let list = listOf(known, settings);
    return () => {
      const { current } = this.#system;
      if (current !== known) {
        known = current;
        list = listOf(known, settings);
      }
      return list;
    };
  }
}

interface TakenResolver {
  readonly resolver: StubResolver;
  release(): void;
}

function fixedList(servers: readonly ResolverAddress[], settings: DnsSettings): () => ServerList {
  const list = listOf({ servers, timeoutMs: undefined, attempts: undefined }, settings);
  return () => list;
}

const listOf = (
  { servers, timeoutMs, attempts }: SystemServers,
  { dnsAttempts, mxTrustedResolvers }: DnsSettings,
): ServerList => ({
  servers: judgeServers(servers, (address) => mxTrustedResolvers.has(address)),
  attemptMs: timeoutMs,
  attempts: dnsAttempts ?? attempts ?? ATTEMPTS,
});

/** Takes a resolver with the first question: most readings of a configuration ask none. */
export class ServiceDns implements DnsService {
  readonly #settings: () => DnsSettings;
  readonly #process: ProcessDns;
  readonly #taken: TakenResolver[] = [];
  #own: StubResolver | undefined = undefined;
  #plain: Resolver | undefined = undefined;
  #authenticated: Resolver | undefined = undefined;

  constructor(settings: () => DnsSettings, process: ProcessDns) {
    this.#settings = settings;
    this.#process = process;
  }

  resolve4: Resolver['resolve4'] = (name, options) => this.#resolver.resolve4(name, options);
  resolve6: Resolver['resolve6'] = (name, options) => this.#resolver.resolve6(name, options);
  reverse: Resolver['reverse'] = (address, options) => this.#resolver.reverse(address, options);
  mx: Resolver['mx'] = (name, options) => this.#resolver.mx(name, options);
  txt: Resolver['txt'] = (name, options) => this.#resolver.txt(name, options);
  tlsa: Resolver['tlsa'] = (name, options) => this.#resolver.tlsa(name, options);
  cname: Resolver['cname'] = (name, options) => this.#resolver.cname(name, options);

  get resolve4Now(): Resolver['resolve4Now'] {
    return this.#resolver.resolve4Now;
  }

  get resolve4For(): Resolver['resolve4For'] {
    return this.#resolver.resolve4For;
  }

  /** The same resolver, and the same answers, unless the settings name others. */
  get authenticated(): Resolver {
    if (this.#authenticated !== undefined) return this.#authenticated;
    const settings = this.#settings();
    return (this.#authenticated =
      settings.mxResolvers.length === 0 ? this.#stub : this.#take(settings.mxResolvers, settings));
  }

  /** What is known of the names of an address without a question. */
  reverseNow(address: string): DnsAnswer<string> | undefined {
    const resolver = this.#resolver;
    return resolver instanceof StubResolver ? resolver.reverseNow(address) : undefined;
  }

  /** Nobody asks any more. */
  close(): void {
    for (const { release } of this.#taken.splice(0)) release();
  }

  get #resolver(): Resolver {
    if (this.#plain !== undefined) return this.#plain;
    const { dnsClient, dnsServers, dnsTimeoutMs } = this.#settings();
    return (this.#plain =
      dnsClient === 'own' ? this.#stub : new NodeDns(dnsServers, dnsTimeoutMs, () => this.#stub));
  }

  get #stub(): StubResolver {
    if (this.#own !== undefined) return this.#own;
    const settings = this.#settings();
    return (this.#own = this.#take(settings.dnsServers, settings));
  }

  #take(servers: readonly ResolverAddress[], settings: DnsSettings): StubResolver {
    const taken = this.#process.take(servers, settings);
    this.#taken.push(taken);
    return taken.resolver;
  }
}
