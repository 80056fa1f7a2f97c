import { definePlugin, pluginNames, z } from '../bindings/plugin/index.ts';
import { dkimHooks, dkimOptions } from './mailauth/incoming-signatures.ts';

/** Another name for `dkim`, for configurations of qpsmtpd: DomainKeys is historic (RFC 4870), and no longer in use. */
export default definePlugin({
  name: 'domainkeys',
  about: 'Another name for `dkim`, which took the place of DomainKeys; does nothing beside a line `dkim`.',
  options: dkimOptions.extend({
    /** 1: nothing is refused, whatever `reject` says. */
    warn_only: z.enum(['0', '1']).default('0'),
  }),
  rejects: { reject: '0', reject_type: 'perm' },
  onError: 'skip',
  hooks(setup) {
    const { config, log, options } = setup;
    const isBeside = pluginNames(config).includes('dkim');
    log.notice(
      `DomainKeys is historic (RFC 4870): ${isBeside ? 'the line dkim does all there is to do, take this one out' : 'this line verifies DKIM, name dkim in its place'}`,
    );
    if (isBeside) return {};
    const hooks = dkimHooks(setup);
    if (options.warn_only === '0') return hooks;
    return {
      ...hooks,
      async data_post(context) {
        await hooks.data_post?.(context);
      },
    };
  },
});
