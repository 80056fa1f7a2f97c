import { definePlugin } from '../bindings/plugin/index.ts';
import { isCutThrough, openSigner, signingOptions } from './mailauth/outgoing-signatures.ts';

/** Signs the mail of clients that may relay, with the keys of its author's domain. RFC 6376, RFC 8463. */
export default definePlugin({
  name: 'dkimsign',
  about: 'Signs the mail of clients that may relay with DKIM, by the keys in dkim/DOMAIN.',
  options: signingOptions,
  // Mail that is sent without the signature its domain promises is refused elsewhere, for good.
  onError: 'defer',
  hooks(setup) {
    if (isCutThrough(setup.config))
      throw new Error('dkimsign does not go together with queue/cut-through: leave one of them out');
    return { queue_pre: openSigner(setup) };
  },
});
