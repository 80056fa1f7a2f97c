/** The MTA-STS policies of domains: how they are fetched, and how long they hold. RFC 8461 sections 3.3, 5 and 10.2. */

import {
  connectProblem,
  type Log,
  type Resolver,
  type Store,
  type Services,
} from '../../../bindings/plugin/index.ts';
import { BoundedCache } from '../../../bindings/timing/bounded-cache.ts';
import { standsForHost } from './certificates.ts';
import { announcedId, parseStsPolicy, type StsPolicy } from './sts-policy.ts';

/** A policy as it was fetched. */
interface HeldPolicy {
  readonly id: string;
  /** As the web server sent it. */
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly fetchedAt: number;
}

export interface StsOptions {
  readonly dns: Resolver;
  /** Resolves with the text of a domain's policy, or rejects with why it could not be had. */
  readonly fetch: (domain: string) => Promise<string>;
  /** Undefined: policies are forgotten with the process, and the first message to a domain is not protected again. */
  readonly store: Pick<Store, 'get' | 'set' | 'delete'> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Pick<Log, 'warn' | 'info'>;
  /** The policy that was announced could not be fetched, or is none. */
  readonly onFault: (domain: string, result: 'sts-policy-fetch-error' | 'sts-policy-invalid') => void;
}

const MAX_POLICIES = 10_000;
/** A web server that is down is not asked for every message. RFC 8461 section 3.3. */
const ASK_AGAIN_MS = 300_000;
/** Fetched again while it still holds, so that nobody gets in between two policies. RFC 8461 sections 3.3 and 10.2. */
const FRESH_MS = 86_400_000;

export class StsPolicies {
  readonly #options: StsOptions;
  readonly #held: BoundedCache<{ readonly held: HeldPolicy; readonly policy: StsPolicy }>;
  /** Domain and id of fetches that failed. */
  readonly #failed: BoundedCache<true>;
  readonly #fetches = new Map<string, Promise<StsPolicy | undefined>>();

  constructor(options: StsOptions) {
    this.#options = options;
    this.#held = new BoundedCache(MAX_POLICIES, options.now);
    this.#failed = new BoundedCache(MAX_POLICIES, options.now);
  }

  /** The policy that holds for `domain`, given in lower case; undefined without one. Never rejects. */
  async policyFor(domain: string): Promise<StsPolicy | undefined> {
    const [answer, known] = await Promise.all([
      this.#options.dns.txt(`_mta-sts.${domain}`),
      this.#recall(domain),
    ]);
    const id = answer.status === 'found' ? announcedId(answer.records) : undefined;
    if (known !== undefined && (id === undefined || id === known.held.id)) {
      // An attacker that hides the record or the web server must not lift a policy that still holds (downgrade attack), nor keep it
      // from being prolonged. RFC 8461 section 10.2; section 8.3 has domains give up by `none`, record and all.
      const mayRefresh = id !== undefined || known.policy.mode !== 'none';
      if (mayRefresh && !this.#isFresh(known)) void this.#fetch(domain, known.held.id);
      return known.policy;
    }
    return id === undefined ? undefined : ((await this.#fetch(domain, id)) ?? known?.policy);
  }

  #isFresh({ held, policy }: { readonly held: HeldPolicy; readonly policy: StsPolicy }): boolean {
    return this.#options.now() - held.fetchedAt < refreshAfterMs(policy);
  }

  async #recall(domain: string): Promise<{ held: HeldPolicy; policy: StsPolicy } | undefined> {
    const known = this.#held.get(domain);
    if (known !== undefined) return known;
    const text = await this.#options.store?.get(domain).catch(() => undefined);
    const held = text === undefined ? undefined : parseHeld(text);
    return held === undefined ? undefined : this.#hold(domain, held);
  }

  #hold(domain: string, held: HeldPolicy): { held: HeldPolicy; policy: StsPolicy } | undefined {
    const policy = parseStsPolicy(held.text);
    if (policy === undefined) return undefined;
    const leftMs = held.fetchedAt + policy.maxAgeSeconds * 1_000 - this.#options.now();
    if (leftMs <= 0) return undefined;
    this.#held.set(domain, { held, policy }, leftMs);
    return { held, policy };
  }

  #fetch(domain: string, id: string): Promise<StsPolicy | undefined> {
    const key = `${domain} ${id}`;
    if (this.#failed.get(key) === true) return Promise.resolve(undefined);
    const under = this.#fetches.get(key);
    if (under !== undefined) return under;
    const fetched = this.#fetchNow(domain, id).finally(() => this.#fetches.delete(key));
    this.#fetches.set(key, fetched);
    return fetched;
  }

  async #fetchNow(domain: string, id: string): Promise<StsPolicy | undefined> {
    const { fetch, now, log, store, onFault } = this.#options;
    try {
      const held = { id, text: await fetch(domain), fetchedAt: now() };
      const policy = parseStsPolicy(held.text);
      if (policy !== undefined) {
        log.info(`${domain}: MTA-STS policy ${id}: ${policy.mode}, for ${policy.maxAgeSeconds} s`);
        this.#hold(domain, held);
        const expiresInMs = Math.max(policy.maxAgeSeconds * 1_000, 1_000);
        await store?.set(domain, JSON.stringify(held), { expiresInMs }).catch(() => undefined);
        return policy;
      }
      log.warn(`${domain}: MTA-STS policy ${id} is not valid`);
      onFault(domain, 'sts-policy-invalid');
    } catch (cause) {
      log.warn(`${domain}: MTA-STS policy ${id} could not be fetched: ${connectProblem(cause)}`);
      onFault(domain, 'sts-policy-fetch-error');
    }
    this.#failed.set(`${domain} ${id}`, true, ASK_AGAIN_MS);
    return undefined;
  }
}

const refreshAfterMs = ({ maxAgeSeconds }: StsPolicy): number => Math.min(maxAgeSeconds * 500, FRESH_MS);

/** What another version, or somebody else, left in the store is no reason to fail. */
function parseHeld(text: string): HeldPolicy | undefined {
  try {
    const held = JSON.parse(text) as Partial<Record<keyof HeldPolicy, unknown>> | null;
    if (typeof held?.id !== 'string' || typeof held.text !== 'string') return undefined;
    if (typeof held.fetchedAt !== 'number') return undefined;
    return { id: held.id, text: held.text, fetchedAt: held.fetchedAt };
  } catch {
    return undefined;
  }
}

export interface StsFetchOptions {
  readonly http: Pick<Services['http'], 'request'>;
  /** The addresses of a policy host that may be connected to; rejects if there are none. */
  readonly addresses: (host: string) => Promise<readonly string[]>;
  /** Undefined: 443. */
  readonly port?: number | undefined;
  /** PEM, in place of the system's authorities. */
  readonly authorities?: string | undefined;
  /** From the look-up of the name to the last octet: a slow server must not hold up the mail. Undefined: 60,000. */
  readonly timeoutMs?: number | undefined;
}

const MAX_POLICY_OCTETS = 65_536;
const FETCH_TIMEOUT_MS = 60_000;
const HTTPS_PORT = 443;

/** From the web server of a domain. RFC 8461 section 3.3. Resolves with the text of the policy; rejects with why it could not be had. */
export async function fetchStsPolicy(
  domain: string,
  { http, addresses, port = HTTPS_PORT, authorities, timeoutMs = FETCH_TIMEOUT_MS }: StsFetchOptions,
): Promise<string> {
  const host = `mta-sts.${domain}`;
  const url = new URL(`https://${host}:${port}/.well-known/mta-sts.txt`);
  // A name with a slash or a colon in it would lead to another server.
  if (url.hostname !== host) throw new Error(`${host} is no name of a web server`);
  const { status, headers, body } = await http.request({
    method: 'GET',
    url,
    headers: { host, accept: 'text/plain' },
    timeoutMs,
    maxOctets: MAX_POLICY_OCTETS,
    // A user who can plant a redirect on any page of the host could plant a policy with it.
    maxRedirects: 0,
    addresses,
    tls: {
      authorities,
      nameProblem: (certificate) =>
        standsForHost(certificate, host, 'never') ? undefined : `its certificate stands for no ${host}`,
    },
  });
  if (status !== 200) throw new Error(`answered ${status}`);
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  // A host where users may put up pages of their own serves those as something else. RFC 8461 section 3.2.
  if (type !== 'text/plain') throw new Error('is no text/plain');
  return body.toString('utf8');
}
