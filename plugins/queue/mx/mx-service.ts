/** Opens outlets that find their hosts in the DNS. */

import { canonicalDomain } from '../../../bindings/wire/domain-name.ts';
import type { HopOptions, HopOutlet } from '../smtp/hop-options.ts';
import type { MailExchange, MxOptions, TlsPolicyCount } from './mx-options.ts';
import { isReachable } from '../../../bindings/lists/index.ts';
import type { Http, Resolver, Stores } from '../../../bindings/plugin/index.ts';
import { MailRoutes } from './mail-routes.ts';
import { MxOutlet } from './mx-outlet.ts';
import { PolicyCounters } from './policy-counters.ts';
import { lookUpAddresses } from './mx-lookup.ts';
import { fetchStsPolicy } from './sts-fetch.ts';
import { StsPolicies } from './sts-policies.ts';

export interface MxServiceOptions {
  readonly hops: { open(options: HopOptions): HopOutlet };
  readonly http: Http;
  readonly stores: Stores;
  readonly dns: Resolver;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What only those give who are in a network of their own. */
export interface MxSurroundings {
  /** Undefined: addresses of this machine are never connected to. */
  readonly mayReach?: ((address: string) => boolean) | undefined;
  /** Port of the web servers that have policies of MTA-STS; undefined: 443. */
  readonly stsPort?: number | undefined;
  /** Authorities of mail hosts and web servers in PEM; undefined: the system's. */
  readonly authorities?: string | undefined;
}

const SMTP_PORT = 25;

export class MxService implements MailExchange {
  readonly #terms: MxServiceOptions;
  readonly #surroundings: MxSurroundings;
  readonly #counters = new PolicyCounters();

  constructor(terms: MxServiceOptions, surroundings: MxSurroundings = {}) {
    this.#terms = terms;
    this.#surroundings = surroundings;
  }

  get policyCounts(): readonly TlsPolicyCount[] {
    return this.#counters.counts;
  }

  open(options: MxOptions): HopOutlet {
    const { hops, dns, random, now } = this.#terms;
    const { mayReach = isReachable, authorities } = this.#surroundings;
    const { port = SMTP_PORT, ownNames = [], isDaneUsed = true, isStsUsed = true, ...hopOptions } = options;
    const { log } = options;
    const own = new Set([options.helloName, ...ownNames].map((name) => canonicalDomain(name) ?? name));
    const counters = this.#counters;
    const routes = new MailRoutes({
      dns,
      sts: isStsUsed ? this.#stsPolicies(options) : undefined,
      isDaneUsed,
      counters,
      isOwn: (name) => own.has(name),
      mayReach,
      random,
      now,
      port,
      authorities,
      minimumVersion: options.tls?.minimumVersion,
      log,
    });
    return new MxOutlet({ routes, counters, log, openHops: (hosts) => hops.open({ ...hopOptions, hosts }) });
  }

  #stsPolicies({ log }: MxOptions): StsPolicies {
    const { dns, http, stores, now } = this.#terms;
    const { mayReach = isReachable, authorities, stsPort: port } = this.#surroundings;
    const addresses = async (host: string): Promise<readonly string[]> => {
      const found = await lookUpAddresses(dns, host, mayReach);
      if (found.kind === 'found') return found.addresses;
      throw new Error(found.kind === 'failed' ? found.reason : `${host} leads to no other host`);
    };
    return new StsPolicies({
      dns,
      fetch: (domain) => fetchStsPolicy(domain, { http, addresses, port, authorities }),
      store: stores.open('mta-sts'),
      now,
      log,
      onFault: (domain, result) => this.#counters.failure(domain, 'sts', result),
    });
  }
}
