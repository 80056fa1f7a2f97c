/** The service for mail that goes where the DNS says, under the settings. */

import type { MailExchange } from '../../bindings/plugin/mx-services.ts';
import type { Services } from '../../bindings/plugin/services.ts';
import type { Stores } from '../../bindings/plugin/store.ts';
import type { Settings } from '../settings/settings.ts';
import { MxService } from '../delivery/policy/mx-service.ts';
import { chooseResolvers } from '../dns/trusted-resolvers.ts';

/** `settings` are read when the first outlet is opened. */
export function makeMailExchange(
  { hops, random, clock }: Pick<Services, 'hops' | 'random' | 'clock'>,
  stores: Stores,
  settings: Pick<Settings, 'current'>,
): MailExchange {
  return new MxService({
    hops,
    stores,
    random,
    now: () => clock.now(),
    resolvers: () => {
      const { mxResolvers, mxTrustedResolvers } = settings.current;
      return chooseResolvers(mxResolvers, (address) => mxTrustedResolvers.has(address));
    },
  });
}
