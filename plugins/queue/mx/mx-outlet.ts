/** The outlet of mail that goes where the DNS says, each domain under its own policy. */

import type { DeliveryReport, HopReply, Log, MailObject, Outlet } from '../../../bindings/plugin/index.ts';
import type { TlsCount } from '../../reports/tls-counts.ts';
import { deliverSplit } from '../kit/outlet-split.ts';
import type { HopCounters, HopOptions, HopOutlet } from '../smtp/hop-options.ts';
import { hopReplies } from '../smtp/hop-replies.ts';
import { isLackOfSafety } from '../smtp/mail-fitness.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import type { MailRoute, MailRoutes, SenderWish } from './mail-routes.ts';
import { routeFaults } from './mx-lookup.ts';

export interface MxOutletOptions {
  readonly routes: Pick<MailRoutes, 'routeTo'>;
  /** Opens the outlet whose hosts are found for each mail object. */
  readonly openHops: (hosts: HopOptions['hosts']) => HopOutlet;
  /** Tells reports how it went. */
  readonly count: TlsCount;
  readonly log: Log;
  /** For everything that has to be looked up for a domain, policies included. */
  readonly lookUpMs?: number;
}

/** Longer than the look-ups of one domain take where servers answer, if slowly: RFC 8461 section 3.3 grants a minute to one. */
const LOOK_UP_MS = 120_000;

const WITHOUT_TLS: ReadonlySet<HopReply> = new Set([
  hopReplies.noTls,
  hopReplies.tlsNotNow,
  hopReplies.needsEncryption,
]);

export class MxOutlet implements HopOutlet {
  readonly #options: MxOutletOptions;
  readonly #hops: HopOutlet;
  /** Of mail objects that are being handed over. */
  readonly #routes = new WeakMap<MailObject, Extract<MailRoute, { kind: 'hosts' }>>();

  constructor(options: MxOutletOptions) {
    this.#options = options;
    this.#hops = options.openHops((mail) => Promise.resolve(this.#routes.get(mail)?.hosts ?? []));
  }

  get counters(): Readonly<HopCounters> {
    return this.#hops.counters;
  }

  get connections(): number {
    return this.#hops.connections;
  }

  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    const byDomain = new Map<string, number[]>();
    for (const [index, { address }] of mail.recipients.entries()) {
      // No DNS knows a name without canonical form.
      const domain = address.canonicalDomain ?? '';
      const indexes = byDomain.get(domain);
      if (indexes === undefined) byDomain.set(domain, [index]);
      else indexes.push(index);
    }
    const [only, ...others] = byDomain.keys();
    if (only !== undefined && others.length === 0) return this.#deliverTo(only, mail, signal);
    const consignments = [...byDomain].map(([domain, indexes]) => {
      const outlet: Outlet = { deliver: (share) => this.#deliverTo(domain, share, signal) };
      return { outlet, indexes };
    });
    return deliverSplit(mail, { consignments, log: this.#options.log }, signal);
  }

  close(): void {
    this.#hops.close();
  }

  async #deliverTo(
    domain: string,
    mail: MailObject,
    signal: AbortSignal | undefined,
  ): Promise<DeliveryReport> {
    const route = await this.#routeTo(domain, mail, signal);
    if (route.kind !== 'hosts') return mail.recipients.map(() => route);
    this.#routes.set(mail, route);
    const report = await this.#hops.deliver(mail, signal);
    if (report.some(({ reply }) => WITHOUT_TLS.has(reply)))
      this.#options.count(domain, route.policyType, 'starttls-not-supported');
    const { later } = route;
    return later !== undefined && report.every(({ reply }) => isLackOfSafety(reply))
      ? report.map(() => later)
      : report;
  }

  async #routeTo(domain: string, mail: MailObject, signal: AbortSignal | undefined): Promise<MailRoute> {
    if (domain === '') return routeFaults.noDomain;
    const { routes, lookUpMs = LOOK_UP_MS, log } = this.#options;
    try {
      return await withDeadline(lookUpMs, signal, (stop) => {
        const stopped = new Promise<MailRoute>((resolve) => {
          const giveUp = (): void => resolve(routeFaults.tookTooLong(domain));
          if (stop.aborted) giveUp();
          else stop.addEventListener('abort', giveUp, { once: true });
        });
        return Promise.race([stopped, routes.routeTo(domain, wishOf(mail))]);
      });
    } catch (cause) {
      // Outlets never reject; what could not be foreseen costs a delay and no mail.
      log.error(`${mail.id}: ${domain}: ${String(cause)}`);
      return routeFaults.lookUpFailed(domain, 'internal error');
    }
  }
}

/** RFC 8689 section 4.1: REQUIRETLS comes first where a message has both. */
function wishOf({ mailOptions, message }: MailObject): SenderWish {
  if (mailOptions.requireTls) return 'required';
  const field = message.header.get('TLS-Required');
  return field !== undefined && /^\s*no\s*$/i.test(field) ? 'waived' : undefined;
}
