/** The service for mail that goes where the DNS says. */

import type { MailExchange } from '../../bindings/plugin/mx-services.ts';
import type { Services } from '../../bindings/plugin/services.ts';
import type { Stores } from '../../bindings/plugin/store.ts';
import { MxService } from '../delivery/policy/mx-service.ts';

export function makeMailExchange(
  { dns, hops, http, random, clock }: Pick<Services, 'dns' | 'hops' | 'http' | 'random' | 'clock'>,
  stores: Stores,
): MailExchange {
  return new MxService({
    hops,
    http,
    stores,
    random,
    now: () => clock.now(),
    // Reads settings, which is no matter of whoever opens no such outlet.
    get dns() {
      return dns.authenticated;
    },
  });
}
